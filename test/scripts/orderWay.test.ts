import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { addCalls, type Called, countWay, usualCalls } from "../../scripts/orderWay/passed.ts";
import { checkoutWith } from "./support.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

const called = (file: string, offset: number, calls: number): Called => ({ file, name: "f", offset, calls });

describe("addCalls, countWay and usualCalls", () => {
  it("calls are added up by function, and two functions of one name stay two", () => {
    const sum = addCalls([called("a.ts", 1, 2), called("a.ts", 9, 1)], [called("a.ts", 1, 3), called("b.ts", 1, 1)]);
    assert.deepEqual(sum, [called("a.ts", 1, 5), called("a.ts", 9, 1), called("b.ts", 1, 1)]);
    assert.deepEqual(countWay(sum), { files: 2, functions: 3, calls: 7 });
  });

  it("the usual calls are the median of several orders, without what only a few of them passed", () => {
    const timer = called("timer.ts", 1, 1);
    const orders = [1, 4, 2].map((calls) => [called("a.ts", 1, calls)]);
    assert.deepEqual(usualCalls([...orders.slice(0, 2), [...(orders[2] ?? []), timer]]), [called("a.ts", 1, 2)]);
  });
});

/** A checkout whose package is not Cauce, but has its exports: a call of `place` goes to a worker and back. */
const checkout = {
  "package.json": JSON.stringify({
    name: "cauce",
    type: "module",
    exports: { ".": "./src/index.js", "./sqlite": "./src/store.js" },
  }),
  "examples/orders/orders.app.ts": 'export default { workflow: { name: "orders", statuses: {} } };',
  "src/index.js": `
    import { atRest } from "./rest.js";
    atRest();
    export async function createCauce({ backend }) {
      const store = await backend({ onBatch: function onBatch() { atRest(); } });
      async function fetch(request) { await store.place(await request.json()); return accepted(); }
      return { fetch, close: () => store.close() };
    }
    const accepted = () => new Response("{}", { status: 202 });`,
  "src/rest.js": "export function atRest() {}",
  "src/store.js": `
    import { Worker } from "node:worker_threads";
    import { once } from "node:events";
    export const sqlite = () => async ({ onBatch }) => {
      const worker = new Worker(new URL("thread.js", import.meta.url), { execArgv: [] });
      await once(worker, "message");
      return {
        async place(order) { worker.postMessage(order); await once(worker, "message"); onBatch(); return order; },
        close: () => worker.terminate(),
      };
    };`,
  "src/thread.js": `
    import { parentPort } from "node:worker_threads";
    import { write } from "./write.js";
    parentPort.on("message", function onMessage(order) { write(); write(); parentPort.postMessage("placed"); });
    parentPort.postMessage("ready");`,
  "src/write.js": "export function write() {}",
};

const run = (...args: string[]) =>
  spawnSync(process.execPath, [join(root, "scripts/orderWay.ts"), ...args], { encoding: "utf8" });

describe("npm run order-way", () => {
  it("both threads are counted, and of a placing only what lies below the port", (t) => {
    const { stdout, stderr } = run("--at", checkoutWith(t, checkout), "--only", "port", "--files");
    assert.equal(
      stdout,
      `\
way                                                        files  functions  calls
SQLite: of a placing, from the port's place to its answer      3          3      4

SQLite: of a placing, from the port's place to its answer
  file       functions and their calls
  store.js   place 1
  thread.js  onMessage 1
  write.js   write 2
`,
      stderr,
    );
  });

  it("a placing of this checkout is followed into the thread of SQLite's writer", () => {
    const { imports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    const thread = imports["#sqliteWriter"].source.replace("./src/", "");
    const { stdout, stderr } = run("--only", "port", "--files");
    assert.ok(stdout.includes(`\n  ${thread} `), stdout + stderr);
    assert.ok(stdout.includes("\n  backend/sqlite/sqlite.ts "), stdout);
    assert.ok(!stdout.includes("\n  engine/"), stdout);
  });

  it("the exit code is 1 when a checkout does not start, and the reason is printed", (t) => {
    const files = { ...checkout, "src/store.js": 'throw new Error("no store here");' };
    const { status, stderr } = run("--at", checkoutWith(t, files), "--only", "port");
    assert.match(stderr, /^the measured process ended: [\s\S]*no store here/);
    assert.equal(status, 1);
  });

  it("a flag with a wrong value is refused with the usage", () => {
    for (const [args, says] of [
      [["--at", tmpdir()], /^--at is ".+"; give a checkout[\s\S]*Usage: npm run order-way/],
      [["--only", "placings"], /^--only is "placings"; give order, placing, port, aws, aws-port/],
      [["--ony", "port"], /Usage/],
    ] as const) {
      const { status, stderr } = run(...args);
      assert.match(stderr, says);
      assert.equal(status, 2);
    }
  });
});
