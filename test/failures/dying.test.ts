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
  /** Gives the runs of one order, or of all for an empty path. */
  const runsOf = (path: string) => readRuns(runs).filter(({ id }) => path === "" || path.endsWith(id));
  return {
    options,
    runsOf,
    attemptsOf: (path: string) => runsOf(path).map(({ attempt }) => attempt),
  };
}

async function setPaused(url: string, isPaused: boolean): Promise<void> {
  const verb = isPaused ? "pause" : "resume";
  const response = await fetch(`${url}/together/queues/open/${verb}`, { method: "POST" });
  assert.ok(response.ok, await response.text());
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

  for (const delivery of ["standard", "fifo"] as const) {
    it(`is found among all that were out when the process was killed, ${delivery} delivery`, async (t) => {
      const { options, runsOf } = dyingServer(t);
      const server = { ...options, delivery };
      const held = await gate(t);
      const first = serve(t, server);
      const firstUrl = await first.address;
      const heads: string[] = [];
      for (let n = 0; n < 30; n++) {
        const does = n === 10 ? "exit" : "wait";
        heads.push(await place(firstUrl, "together", { does, url: held.url, group: `group ${n}` }));
      }
      await held.asked(heads.length);
      await setPaused(firstUrl, true);
      const followers: string[] = [];
      for (let n = 0; n < 3; n++) {
        followers.push(await place(firstUrl, "together", { does: "nothing", group: `group ${n}` }));
      }
      const fresh = await place(firstUrl, "together", { does: "nothing" });
      first.kill("SIGKILL");
      await first.ended;

      // All suspects wait at the gate. A fresh order ends nevertheless, beside the first of them.
      const second = serve(t, server);
      const secondUrl = await second.address;
      await setPaused(secondUrl, false);
      await waitFor(secondUrl, fresh, ({ status }) => status === "done");
      const begun = runsOf("").slice(heads.length);
      assert.ok(begun.findIndex(({ id }) => fresh.endsWith(id)) <= (delivery === "fifo" ? 1 : 1 + followers.length));
      held.open();
      const secondEnd = await second.ended;

      const [deadly = ""] = heads.splice(10, 1);
      const others = [...heads, ...followers];
      const {
        server: last,
        url,
        ends,
      } = await superviseUntil(t, server, async (alive) => {
        await waitFor(alive, deadly, ({ failure }) => failure !== null);
        for (const path of others) await waitFor(alive, path, ({ status }) => status === "done");
      });
      exits(secondEnd);
      for (const end of ends) exits(end);
      const { failure, attempts } = await getOrder(url, deadly);
      assert.deepEqual([failure?.code, attempts], ["worker_lost", 3]);
      // A death in each group that has it, which halve, and one for each attempt that it has left.
      assert.ok(ends.length <= 5, `${ends.length} more deaths`);
      // Only the kill cost the others an attempt.
      const runs = others.flatMap(runsOf);
      assert.ok(runs.every(({ attempt }) => attempt <= 2));
      if (delivery === "fifo") {
        const order = runsOf("").map(({ id }) => id);
        for (const [n, follower] of followers.entries()) {
          const isOf = (path: string) => (id: string) => path.endsWith(id);
          assert.ok(order.findLastIndex(isOf(heads[n] ?? "")) < order.findIndex(isOf(follower)), `group ${n}`);
        }
      }
      await stop(last);
    });
  }
});
