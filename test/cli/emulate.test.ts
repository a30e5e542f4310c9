import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { createClient } from "cauce/http";
import { cauce, type Process } from "./support.ts";

const app = fileURLToPath(new URL("../emulate/fixtures/quick.app.ts", import.meta.url));
const emulate = (...args: string[]) => ["emulate", app, "--port", "0", ...args];

/** Places an order, waits for its end, and gives the process id of the function that handled it. */
async function functionProcess({ wrote }: Process): Promise<number> {
  const [, url = ""] = await wrote(/quick +(http:\S+\/quick)/);
  const client = createClient({ url });
  const { order } = await client.place({ note: "n", group: "g" });
  await client.waitFor(order.id, "done");
  const [, pid = ""] = await wrote(/quick-processing-dev {2}\{.*"pid":(\d+)/);
  return Number(pid);
}

describe("cauce emulate", { concurrency: true }, () => {
  it("serves each workflow at the printed address, and ends at SIGTERM with all its processes", async (t) => {
    const two = fileURLToPath(new URL("../emulate/fixtures/two.app.ts", import.meta.url));
    const command = cauce(t, ["emulate", two, "--port", "0", "--public"]);
    const pid = await functionProcess(command);
    process.kill(pid, 0);
    // "other" sorts before "quick", and addresses follow the order of the apps in the module.
    const [, url = ""] = await command.wrote(/\n {2}other +(http:\S+\/other)\n/);
    const client = createClient({ url });
    const { order } = await client.place({ note: "n" });
    const { history } = await client.waitFor(order.id, "done");
    assert.equal(history.at(-1)?.by.name, "other-processing-dev");
    command.kill("SIGTERM");
    const { code, signal, stdout, stderr } = await command.ended;
    assert.deepEqual([code, signal], [0, null], stderr);
    assert.throws(() => process.kill(pid, 0), { code: "ESRCH" });
    assert.match(stdout, /^Emulating quick-dev, other-dev on http:\/\/127\.0\.0\.1:\d+, http:\/\/127\.0\.0\.1:\d+\n/);
    assert.match(stdout, /\n {2}tables +quick-table-dev, other-table-dev\n/);
  });

  it("prints the seed of its faults", async (t) => {
    const command = cauce(t, emulate("--public", "--chaos", "--seed", "7"));
    await command.wrote(/\n {2}chaos +seed 7\n[\s\S]*Ctrl\+C/);
    command.kill("SIGINT");
    assert.equal((await command.ended).code, 0);
  });

  it("leaves no function's process behind when it is killed", async (t) => {
    const command = cauce(t, emulate("--public"));
    const pid = await functionProcess(command);
    command.kill("SIGKILL");
    await command.ended;
    for (;;) {
      try {
        process.kill(pid, 0);
      } catch (error) {
        assert.equal((error as NodeJS.ErrnoException).code, "ESRCH");
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });

  const refused: readonly (readonly [string, readonly string[], RegExp, number])[] = [
    ["without keys", [], /^keys_required: .*--public\n$/, 1],
    ["for pods", ["--compute", "kubernetes"], /^setting_invalid: cauce emulate runs functions; .*\n$/, 2],
    ["with a seed of nothing", ["--public", "--seed", "7"], /^setting_invalid: --seed is for --chaos; add it\n$/, 2],
    ["with its tables in a file", ["--public", "--data", app], /^directory_unusable: .*; give a directory\n$/, 1],
    ["on no port", ["--public", "--port", "99999"], /^setting_invalid: --port must be .*, not "99999"\n$/, 2],
  ];
  for (const [what, args, line, exitCode] of refused) {
    it(`refuses to run ${what}`, async (t) => {
      const { code, stderr } = await cauce(t, emulate(...args)).ended;
      assert.match(stderr, line);
      assert.equal(code, exitCode);
    });
  }
});
