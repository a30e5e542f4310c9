import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { createProgram, main } from "../../src/cli/main.ts";
import { cauce, temporaryDirectory } from "./support.ts";

const index = fileURLToPath(new URL("../../src/index.ts", import.meta.url));

/** Runs a command in this process. */
async function run(...args: string[]) {
  let stdout = "";
  let stderr = "";
  const exit = await main(args, { out: (text) => (stdout += text), err: (text) => (stderr += text) });
  return { exit, stdout, stderr };
}

describe("cauce", () => {
  it("shows help with examples for every command, exiting with 0", async () => {
    const program = createProgram([], { out: () => {}, err: () => {} });
    for (const command of [
      [],
      ...program.commands.flatMap((one) => (one.name() === "keys" ? [] : [[one.name()]])),
      ["keys", "create"],
    ]) {
      const { exit, stdout, stderr } = await run(...command, "--help");
      assert.equal(exit, 0);
      assert.match(stdout, /^Usage: cauce[\s\S]*\nExamples:\n {2}\$ cauce /);
      assert.equal(stderr, "");
    }
  });

  it("prints its version", async () => {
    const { exit, stdout } = await run("--version");
    assert.equal(exit, 0);
    assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
  });

  it("shows the help on stderr when no command is given, exiting with 2", async () => {
    for (const command of [[], ["keys"]]) {
      const { exit, stdout, stderr } = await run(...command);
      assert.equal(exit, 2);
      assert.match(stderr, /^Usage: cauce/);
      assert.equal(stdout, "");
    }
  });

  it("refuses an unknown command in one line, exiting with 2", async () => {
    assert.deepEqual(await run("strat"), {
      exit: 2,
      stdout: "",
      stderr: "setting_invalid: unknown command 'strat' (Did you mean start?)\n",
    });
  });

  it("runs as the package's bin, with its exit code", async (t) => {
    const help = await cauce(t, ["--help"]).ended;
    assert.equal(help.code, 0);
    assert.equal(help.stdout, (await run("--help")).stdout);
    assert.equal((await cauce(t, ["strat"]).ended).code, 2);
  });

  it("ends when its reader has taken all of a long output, and not before", async (t) => {
    // The output is far longer than a pipe's buffer.
    const app = join(temporaryDirectory(t), "long.app.ts");
    const source = `import { z } from ${JSON.stringify(import.meta.resolve("zod"))};
      import { defineWorkflow, final, implement } from ${JSON.stringify(index)};
      const to = Array.from({ length: 10_000 }, (_, number) => "ofSomeLength" + number);
      const statuses = { first: { to, waits: true }, ...Object.fromEntries(to.map((name) => [name, final])) };
      export default implement(defineWorkflow({ name: "long", data: z.object({}), initial: "first", statuses }), { handlers: {} });`;
    writeFileSync(app, source);
    const { code, stdout, stderr } = await cauce(t, ["diagram", app]).ended;
    assert.deepEqual([code, stderr], [0, ""]);
    assert.ok(stdout.length > 500_000, `${stdout.length} characters`);
    assert.equal(stdout, (await run("diagram", app)).stdout);
  });

  it("has a summary for every command", () => {
    const program = createProgram([], { out: () => {}, err: () => {} });
    assert.deepEqual(
      program.commands.map((command) => command.name()),
      [
        ...["start", "sweep", "init", "diagram", "keys", "backup"],
        ...["place", "show", "list", "queues", "failures", "retry", "transition", "pause", "resume", "remove"],
        "import",
        "synth",
        "deploy",
        "emulate",
        "verify",
      ],
    );
    for (const command of program.commands) assert.notEqual(command.description(), "");
  });
});
