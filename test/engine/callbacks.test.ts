import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { memory } from "../../src/backend/memory/memory.ts";
import { createCauce } from "../../src/cauce.ts";
import type { AnyHandler, Log } from "../../src/core/handlers.ts";
import { final } from "../../src/core/workflow.ts";
import type { Observer } from "../../src/engine/context.ts";
import { openWorkflows } from "../../src/engine/open.ts";
import { fakeClock } from "../../src/testing/fakeClock.ts";
import { testWorkflow } from "../../src/testing/testWorkflow.ts";
import { appOf, atEnd, cauceError, keptLog, taken, workflowOf } from "./support.ts";

const workflow = workflowOf({ received: { to: ["done"] }, done: final });

/** Keeps the lines that the default log writes to standard error. */
function standardError(t: TestContext): Record<string, unknown>[] {
  const lines: Record<string, unknown>[] = [];
  t.mock.method(process.stderr, "write", (line: string) => lines.push(JSON.parse(line)) > 0);
  return lines;
}

const broken: Readonly<Record<string, () => void>> = {
  throws() {
    throw new Error("the log is full");
  },
  async rejects() {
    throw new Error("the log is full");
  },
};

describe("a log of the user's", () => {
  for (const [how, write] of Object.entries(broken)) {
    test(`that ${how} fails no order, is counted, and is told of once on standard error`, async (t) => {
      const lines = standardError(t);
      const received: AnyHandler = (_order, { log }) => {
        log.warn({}, "from the handler");
        return "done";
      };
      const log: Log = { info: write, warn: write, error: write };
      const cauce = await createCauce({ apps: appOf(workflow, { received }), backend: memory, log });
      atEnd(t, () => cauce.close());
      await cauce.start();
      const { placed, order } = await cauce.place("orders", {});
      assert.equal(placed, true);
      const events = await cauce.fetch(new Request("http://x/orders"));
      assert.equal(events.status, 200);
      await cauce.drain();
      const moved = await cauce.get("orders", order.id);
      assert.deepEqual([moved?.status, moved?.history[0]?.attempts], ["done", 1]);
      const [told, ...more] = lines;
      assert.deepEqual([told?.level, told?.callback, told?.error], ["error", "log", "Error: the log is full"]);
      assert.deepEqual(more, []);
      const metrics = await (await cauce.fetch(new Request("http://x/metrics"))).text();
      // The handler's line, and that of its attempt.
      assert.match(metrics, /^cauce_failed_callbacks_total\{callback="log"\} 2$/m);
    });
  }

  test("keeps its own `this`", async (t) => {
    const kept = keptLog();
    class Logger {
      readonly kept = kept.log;
      info = () => {};
      warn(fields: Record<string, unknown>, message: string) {
        this.kept.warn(fields, message);
      }
      error() {}
    }
    const received: AnyHandler = (_order, { log }) => {
      log.warn({ n: 1 }, "from the handler");
      return "done";
    };
    const shop = await testWorkflow(appOf(workflow, { received }), { log: new Logger() });
    t.after(() => shop.close());
    await shop.place({} as never);
    assert.equal(kept.of("from the handler")[0]?.fields.n, 1);
  });

  test("without one of its functions is refused when things are wired", async () => {
    const app = appOf(workflow, { received: () => "done" });
    const refused = cauceError("setting_invalid", /log has no function `warn`; it must have info, warn and error$/);
    const log = { info() {}, error() {} } as unknown as Log;
    await assert.rejects(createCauce({ apps: app, backend: memory, log }), refused);
    await assert.rejects(testWorkflow(app, { log }), refused);
  });
});

test("an observer that throws fails no placing and no change, and is told of once in the log", async () => {
  const kept = keptLog();
  const clock = fakeClock();
  const fail = () => {
    throw new Error("no counter");
  };
  const observer: Observer = { placed: fail, changed: fail, removed: fail, rejected: fail, blocked: fail };
  const failed: string[] = [];
  let onBatch: ((operations: number, milliseconds: number) => void) | undefined;
  const parked = workflowOf({ parked: { to: ["done"], waits: true }, done: final });
  const { workflows, close } = await openWorkflows({
    ...{ apps: appOf(parked), delivery: "standard", clock, log: kept.log },
    backend(options) {
      onBatch = options.onBatch;
      return memory({ clock });
    },
    observerOf: () => observer,
    onBatchOf: () => fail,
    onFailedCallback: (callback) => failed.push(callback),
  });
  const engine = workflows[0]?.engine ?? assert.fail();
  const { order } = taken(await engine.place({}));
  assert.equal(taken(await engine.transition(order.id, { to: "done" })).moved, true);
  assert.equal(await engine.remove(order.id), undefined);
  onBatch?.(1, 1);
  await close();
  assert.deepEqual(failed, ["observer", "observer", "observer", "onBatch"]);
  assert.deepEqual(
    kept.lines.flatMap(({ level, fields }) => (level === "error" ? [[fields.callback, fields.error]] : [])),
    [
      ["observer", "Error: no counter"],
      ["onBatch", "Error: no counter"],
    ],
  );
});
