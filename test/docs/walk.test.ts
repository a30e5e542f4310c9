import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { it, type TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { atEnd, cauce, freePort, type Process, temporaryDirectory } from "../cli/support.ts";
import { run } from "../package/support.ts";
import { readPage, root } from "./markdown.ts";
import { applyDiff } from "./patch.ts";
import { wildcard } from "./shown.ts";
import { parseAnswer, parseCurl, stepsIn, wordsOf } from "./tour.ts";

// Runs each command of docs/tour.md and makes each change, from the first line to the last.

const shownAddress = "http://127.0.0.1:3000";
const millisecondsMax = 120_000;
/** Commands that only read. They are run again until they show what the page shows, since orders take time. */
const looks = ["show", "list", "failures", "queues"];

it("docs/tour.md shows what its commands and changes do", async (t) => {
  const walk = createWalk(t, await freePort());
  for (const { comment, body, at } of readPage("docs/tour.md").fences) {
    if (comment === "applied: shop") await walk.change(body);
    else if (comment === "walk") for (const { command, shown } of stepsIn(body)) await walk.run(command, shown);
    else assert.fail(`${at}: nothing runs this`);
  }
  await walk.end();
});

function createWalk(t: TestContext, port: number) {
  const shop = join(temporaryDirectory(t), "shop");
  const address = `http://127.0.0.1:${port}`;
  const options = { env: { CAUCE_URL: address } };
  /** The ids of this run, by the shortened ids on the page. */
  const ids = new Map<string, string>();
  /** The commands in other terminals, whose output must appear by the end. */
  const elsewhere: { readonly command: string; readonly shown: string; readonly said: () => string }[] = [];
  let server: Process | undefined;
  let starts = 0;

  const inThisRun = (text: string) => [...ids].reduce((changed, [shown, id]) => changed.replaceAll(shown, id), text);

  function assertSaid(said: string, shown: string, command: string): void {
    const told = said.replaceAll(address, shownAddress).replaceAll(String(port), "3000");
    // The width of a column depends on its cells.
    const plain = (text: string) =>
      text
        .trim()
        .replace(/[ ─]+/g, " ")
        .replace(/ *\n */g, "\n");
    const wanted = plain(inThisRun(shown)).replace(/\n…$/, "…");
    assert.match(plain(told), wildcard(wanted), command);
  }

  async function started(): Promise<void> {
    starts++;
    await server?.wrote(new RegExp(`(?:listens on [\\s\\S]*?Ctrl\\+C[\\s\\S]*?){${starts}}`));
  }

  async function runCauce(args: readonly string[], shown: string, command: string): Promise<void> {
    const until = Date.now() + millisecondsMax;
    for (;;) {
      const { code, stdout, stderr } = await cauce(t, args, options).ended;
      assert.equal(code, 0, `${command}: ${stderr}`);
      const [, learned] = /^placed (\S+…\S+)$/.exec(shown) ?? [];
      if (learned !== undefined) ids.set(learned, /^placed (\S+)\n$/.exec(stdout)?.[1] ?? "");
      try {
        return assertSaid(stdout, shown, command);
      } catch (error) {
        if (!looks.includes(args[0] ?? "") || Date.now() > until) throw error;
        await delay(100);
      }
    }
  }

  return {
    async run(command: string, shown: string): Promise<void> {
      const [program, ...words] = wordsOf(inThisRun(command)).filter((word, at) => at !== 1 || word !== "cauce");
      const [name, first, ...rest] = words;
      if (command === "npm run cauce -- init ../shop") {
        return assertSaid(await run(root, "npm", "run", "cauce", "--", "init", shop), shown, command);
      }
      if (command === "cd ../shop") return;
      if (command === "npm install") return install(shop);
      if (command === "npm test") return assertSaid(await testOf(shop), shown, command);
      if (program === "curl" && name === "-N") {
        const said = await listen(t, String(first).replace(shownAddress, address));
        elsewhere.push({ command, shown, said });
      } else if (program === "curl") {
        const { url, method } = parseCurl(command.replace(shownAddress, address));
        const expected = parseAnswer(shown);
        const response = await fetch(url, { method });
        await response.text();
        assert.equal(response.status, expected.status, command);
        for (const [header, value] of expected.headers) assert.equal(response.headers.get(header), value, command);
      } else if (name === "start") {
        const app = join(shop, first ?? "");
        server = cauce(t, ["start", app, ...rest, "--port", String(port), "--data", join(shop, "cauce-data")]);
        await started();
        assertSaid((await server.wrote(/[\s\S]*/))[0], shown, command);
      } else if (words.includes("--watch")) {
        const { wrote } = cauce(t, words, options);
        const [said] = await wrote(/[\s\S]*review[^\n]*\n/);
        assertSaid(said, shown, command);
      } else {
        assert.equal(program, "npx", `the walk does not know ${command}`);
        await runCauce(words, shown, command);
      }
    },
    /** Saves a change, after which the server restarts. */
    async change(diff: string): Promise<void> {
      await this.end();
      for (const [path, text] of applyDiff(diff, (path) => readFileSync(join(shop, path), "utf8"))) {
        writeFileSync(join(shop, path), text);
      }
      await started();
    },
    /** Asserts that the commands in other terminals have shown what the page shows. */
    async end(): Promise<void> {
      const until = Date.now() + millisecondsMax;
      for (const { command, shown, said } of elsewhere.splice(0)) {
        while (Date.now() < until && !said().includes('"review"')) await delay(20);
        assertSaid(said(), `${shown}\n…`, command);
      }
    },
  };
}

/** Installs this repository in place of the package. test/package.test.ts installs the real package. */
function install(shop: string): void {
  mkdirSync(join(shop, "node_modules/@types"), { recursive: true });
  symlinkSync(root, join(shop, "node_modules/cauce"), "dir");
  for (const name of ["zod", "@types/node"]) {
    const directory = dirname(fileURLToPath(import.meta.resolve(`${name}/package.json`)));
    symlinkSync(directory, join(shop, "node_modules", name), "dir");
  }
}

async function testOf(shop: string): Promise<string> {
  // Within a test, node --test reports to its parent and prints nothing.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const args = ["--conditions=source", "--test", "--test-reporter=spec"];
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, { cwd: shop, env }, (error, stdout) => {
      if (error === null) resolve(stdout);
      else reject(new Error(stdout, { cause: error }));
    });
  });
}

/** Reads a stream until the test or the server ends, and gives the text that has come so far. */
async function listen(t: TestContext, url: string): Promise<() => string> {
  const ending = new AbortController();
  const response = await fetch(url, { signal: ending.signal });
  const decoder = new TextDecoder();
  let text = "";
  const read = async () => {
    for await (const chunk of response.body ?? []) text += decoder.decode(chunk, { stream: true });
  };
  const done = read().catch(() => {});
  atEnd(t, () => {
    ending.abort();
    return done;
  });
  return () => text;
}
