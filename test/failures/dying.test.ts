import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { readRuns } from "../../scripts/crash/handlerLog.ts";
import type { Ended, ServerOptions } from "../../scripts/crash/server.ts";
import { runsVariable } from "./apps/dying.ts";
import {
  appFile,
  gate,
  getOrder,
  place,
  serve,
  stop,
  superviseUntil,
  temporaryDirectory,
  waitFor,
  waitForQueues,
} from "./support.ts";

function dyingServer(t: TestContext, env: Record<string, string> = {}) {
  const directory = temporaryDirectory(t);
  const runs = join(directory, "runs");
  const options: ServerOptions = {
    app: appFile("dying"),
    directory: join(directory, "data"),
    env: { ...env, [runsVariable]: runs },
  };
  return {
    options,
    attemptsOf: (path: string) => readRuns(runs).flatMap((run) => (path.endsWith(run.id) ? run.attempt : [])),
  };
}

interface Case {
  readonly workflow: "queued" | "once";
  readonly does: "exit" | "allocate";
  readonly env?: Record<string, string>;
  readonly attempts: readonly number[];
  readonly died: (end: Ended) => void;
}

/** Places an order whose handler ends the process, after one order and before three others, one handled at a time. */
async function diesAndIsMarked(t: TestContext, { workflow, does, env, attempts, died }: Case) {
  const { options, attemptsOf } = dyingServer(t, env);
  const held = await gate(t);
  const first = serve(t, options);
  const firstUrl = await first.address;
  const before = await place(firstUrl, workflow, { does: "wait", url: held.url });
  await held.asked(1);
  const deadly = await place(firstUrl, workflow, { does });
  const behind: string[] = [];
  for (let n = 0; n < 3; n++) behind.push(await place(firstUrl, workflow, { does: "nothing" }));
  held.open();
  const firstEnd = await first.ended;

  const { server, url, ends } = await superviseUntil(t, options, async (alive) => {
    await waitFor(alive, deadly, ({ failure }) => failure !== null);
    for (const path of behind) await waitFor(alive, path, ({ status }) => status === "done");
  });
  const order = await getOrder(url, deadly);
  assert.equal(order.failure?.code, "worker_lost");
  assert.equal(order.status, "open");
  assert.equal(order.attempts, attempts.length);
  assert.deepEqual(attemptsOf(deadly), attempts);
  for (const end of [firstEnd, ...ends]) died(end);
  assert.equal(1 + ends.length, attempts.length);

  assert.equal((await getOrder(url, before)).status, "done");
  for (const path of [before, ...behind]) assert.deepEqual(attemptsOf(path), [1], path);
  await place(url, workflow, { does: "nothing" });
  await stop(server);
}

const exits = ({ code }: Ended) => assert.equal(code, 9);

describe("a handler that ends its process", { concurrency: 2 }, () => {
  it("has its order marked failed after its attempts by process.exit, and the other orders go on", (t) =>
    diesAndIsMarked(t, { workflow: "queued", does: "exit", attempts: [1, 2, 3], died: exits }));

  it("runs once where its order has one attempt and it calls process.exit", (t) =>
    diesAndIsMarked(t, { workflow: "once", does: "exit", attempts: [1], died: exits }));

  it("has its order marked failed after its attempts by using up the memory, and the other orders go on", (t) =>
    diesAndIsMarked(t, {
      workflow: "queued",
      does: "allocate",
      env: { NODE_OPTIONS: "--max-old-space-size=64" },
      attempts: [1, 2, 3],
      died: ({ code, signal, stderr }) => {
        assert.ok(signal === "SIGABRT" || code === 134, `${signal} ${code}`);
        assert.match(stderr, /heap out of memory/);
      },
    }));

  it("does not fail the orders that were in hand beside its own", async (t) => {
    const { options } = dyingServer(t);
    const held = await gate(t);
    const first = serve(t, options);
    const firstUrl = await first.address;
    const beside: string[] = [];
    for (let n = 0; n < 5; n++) beside.push(await place(firstUrl, "together", { does: "wait", url: held.url }));
    await held.asked(beside.length);
    // The process may end before it writes its answer.
    await place(firstUrl, "together", { does: "exit" }).catch(() => {});
    await first.ended;
    // Open the gate: the handlers beside the deadly one can end now.
    held.open();
    const ended = async (url: string) => {
      for (const path of beside)
        await waitFor(url, path, ({ status, failure }) => status === "done" || failure !== null);
      // Until the deadly order has had its last attempt, the server ends again.
      await waitForQueues(url, "together", ({ waiting, inFlight, delayed }) => waiting + inFlight + delayed === 0);
    };
    const { server, url } = await superviseUntil(t, options, ended);
    for (const path of beside) {
      const { status, failure } = await getOrder(url, path);
      assert.deepEqual({ status, failure }, { status: "done", failure: null }, path);
    }
    await stop(server);
  });
});
