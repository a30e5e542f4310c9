import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { createCauce } from "cauce";
import { memory } from "cauce/testing";
import { atEnd, cauce, type Process, temporaryDirectory } from "../cli/support.ts";
import { sampleOrder } from "../examples/support.ts";
import { readPage, readPages, readText, root } from "./markdown.ts";
import { applyDiff } from "./patch.ts";
import { assertShown, parseShown, wildcard } from "./shown.ts";
import { type CurlRequest, parseAnswer, parseCurl, type ShownAnswer, type Step, stepsOf } from "./tour.ts";

// A newcomer trusts what a page shows of a server, so these tests run every tour against a real server.

const sample = readPage("docs/sample.md");
const shownAddress = "http://127.0.0.1:3000";
const millisecondsMax = 120_000;

describe("a page's tour of npm start", () => {
  const toured = [
    { path: "docs/sample.md", curls: 3, kills: 1 },
    { path: "docs/retries.md", curls: 10, kills: 0 },
    { path: "docs/waiting.md", curls: 3, kills: 0 },
  ];

  it("is taken for every page that has one", () => {
    const found = readPages().filter((page) => stepsOf(page).length > 0);
    assert.deepEqual(found.map(({ path }) => path).sort(), toured.map(({ path }) => path).sort());
  });

  for (const { path, curls, kills } of toured) {
    it(`shows what a server answers (${path})`, async (t) => {
      const steps = stepsOf(readPage(path));
      const beginning = (text: string) => steps.filter(({ command }) => command.startsWith(text)).length;
      assert.ok(beginning("curl ") >= curls, "the tour is there");
      assert.equal(beginning("kill -9 "), kills);
      await takeTour(t, steps);
    });
  }

  it("is checked so that a wrong answer is found", () => {
    const order = { id: "01a2", status: "shipped", history: [{ status: "paid" }, { status: "shipped" }] };
    const shows = (text: string) => assertShown(order, parseShown(text));
    shows('{ "id": "01a2", "status": "ship…", … }');
    shows('{ "history": [ { "status": "paid" }, … ], … }');
    assert.throws(() => shows('{ "status": "paid", … }'));
    assert.throws(() => shows('{ "id": "01a2", "status": "shipped" }'));
    assert.throws(() => shows('{ "history": [ { "status": "paid" } ], … }'));
    assert.throws(() => shows('{ "version": 1, … }'));
    assert.throws(() => parseCurl("curl -k https://example.com"));
    assert.throws(() => parseAnswer("202 Accepted"));
  });
});

describe("the status that docs/sample.md adds", () => {
  it("compiles, and orders pass through it", async (t) => {
    const [fence] = sample.fences.filter(({ comment }) => comment === "applied: examples/orders");
    assert.equal(fence?.language, "diff");
    const project = temporaryDirectory(t);
    cpSync(join(root, "examples/orders"), join(project, "examples/orders"), { recursive: true });
    const changed = applyDiff(fence.body, readText);
    assert.deepEqual(
      [...changed.keys()].sort(),
      ["orders.app.ts", "orders.workflow.ts"].map((name) => `examples/orders/${name}`),
    );
    for (const [path, text] of changed) writeFileSync(join(project, path), text);
    // The folders are those of a project that has Cauce installed.
    mkdirSync(join(project, "node_modules"));
    symlinkSync(root, join(project, "node_modules/cauce"), "dir");
    symlinkSync(packageDirectory("zod"), join(project, "node_modules/zod"), "dir");
    writeFileSync(join(project, "package.json"), JSON.stringify({ type: "module" }));
    await compile(project);

    const { default: app } = await import(pathToFileURL(join(project, "examples/orders/orders.app.ts")).href);
    const cauce = await createCauce({ apps: app, backend: memory });
    atEnd(t, () => cauce.close());
    await cauce.start();
    const { order } = await cauce.place("orders", sampleOrder());
    for (;;) {
      const now = await cauce.get("orders", order.id);
      if (now?.status === "shipped") {
        const path = now.history.map(({ status }) => status);
        assert.deepEqual(path, ["received", "approved", "paid", "packed", "shipped"]);
        return;
      }
      await new Promise(setImmediate);
    }
  });

  it("is added by a diff that applies only where it fits", () => {
    const read = () => "a\nb\nc\n";
    const diff = (hunk: string) => `--- a/x.ts\n+++ b/x.ts\n@@ -1,3 +1,3 @@\n${hunk}\n`;
    assert.equal(applyDiff(diff(" a\n-b\n+B\n c"), read).get("x.ts"), "a\nB\nc\n");
    assert.throws(() => applyDiff(diff(" a\n-x\n+B\n c"), read), /fits x\.ts 0 times/);
    assert.throws(() => applyDiff(diff("+B"), () => "a\na\n"), /fits x\.ts \d times/);
  });
});

async function takeTour(t: TestContext, steps: readonly Step[]): Promise<void> {
  const data = temporaryDirectory(t);
  /** The ids of this run, by the shortened ids on the page. */
  const ids = new Map<string, string>();
  let server: Process | undefined;
  let address = "";
  for (const { command, shown } of steps) {
    if (command === "npm start") {
      assert.equal(server, undefined, "one server at a time");
      server = start(t, data);
      address = await server.address();
      const [output] = await server.wrote(/[\s\S]*Ctrl\+C[\s\S]*/);
      assert.match(output.replaceAll(address, shownAddress), wildcard(shown.replace(/\n…$/, "…")));
    } else if (command.startsWith("kill -9 ")) {
      server?.kill("SIGKILL");
      assert.equal((await server?.ended)?.signal, "SIGKILL");
      server = undefined;
    } else {
      const request = parseCurl(inThisRun(command, ids).replace(shownAddress, address));
      await answers(request, parseAnswer(shown), ids);
    }
  }
}

/** Runs the command of `npm start`, on data of its own and a free port. */
function start(t: TestContext, data: string): Process {
  const { scripts } = JSON.parse(readText("package.json")) as { scripts: { start: string } };
  const [, args] = scripts.start.split("bin/cauce.js ");
  assert.ok(args, "npm start runs bin/cauce.js");
  return cauce(t, [...args.split(" "), "--port", "0", "--data", data]);
}

/** Sends a request. A read is repeated until its answer is as shown, since orders take time. */
async function answers(request: CurlRequest, shown: ShownAnswer, ids: Map<string, string>): Promise<void> {
  const { url, method, headers, body } = request;
  const until = Date.now() + millisecondsMax;
  for (;;) {
    const response = await fetch(url, { method, headers: [...headers], ...(body === undefined ? {} : { body }) });
    const text = await response.text();
    try {
      assert.equal(response.status, shown.status, `${method} ${url}: ${text}`);
      for (const [name, value] of shown.headers) {
        const actual = response.headers.get(name) ?? "";
        learn(value, actual, ids);
        assert.equal(actual, inThisRun(value, ids), `${method} ${url}: ${name}`);
      }
      if (shown.body !== "") assertShown(JSON.parse(text), parseShown(inThisRun(shown.body, ids)), `${method} ${url}`);
      return;
    } catch (error) {
      if (method !== "GET" || Date.now() > until) throw error;
      await delay(20);
    }
  }
}

/** Remembers the id of a placed order by its shortened form on the page, such as `01a2…d2fa`. */
function learn(location: string, actual: string, ids: Map<string, string>): void {
  const shown = /[0-9a-f]{4}…[0-9a-f]{4}$/.exec(location)?.[0];
  if (shown === undefined || ids.has(shown)) return;
  const id = /[^/]+$/.exec(actual)?.[0] ?? "";
  assert.match(id, /^[0-9a-f]{8}-[0-9a-f-]{27}$/);
  ids.set(shown, id);
}

function inThisRun(text: string, ids: ReadonlyMap<string, string>): string {
  return [...ids].reduce((changed, [shown, id]) => changed.replaceAll(shown, id), text);
}

async function compile(project: string): Promise<void> {
  const tsconfig = join(project, "tsconfig.json");
  const options = { typeRoots: [dirname(packageDirectory("@types/node"))] };
  writeFileSync(
    tsconfig,
    JSON.stringify({ extends: join(root, "tsconfig.json"), compilerOptions: options, include: ["examples"] }),
  );
  const compiler = join(packageDirectory("typescript"), "bin/tsc");
  const run = promisify(execFile)(process.execPath, [compiler, "--noEmit", "-p", tsconfig]);
  await run.catch((error: { stdout: string }) => assert.fail(error.stdout));
}

function packageDirectory(name: string): string {
  return dirname(fileURLToPath(import.meta.resolve(`${name}/package.json`)));
}
