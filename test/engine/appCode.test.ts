import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { describe, type TestContext, test } from "node:test";
import type { AnyHandler } from "../../src/core/handlers.ts";
import { final } from "../../src/core/workflow.ts";
import { type AppCode, runAppCode, takeRejection } from "../../src/engine/appCode.ts";
import {
  type AppParts,
  appOf,
  atEnd,
  cauceError,
  controlled,
  engineOf,
  isFailed,
  isIn,
  quiet,
  workflowOf,
} from "./support.ts";

const workflow = workflowOf({
  received: { to: ["done"], timeoutSeconds: 60, retry: { attempts: 1 } },
  done: final,
});

/** Starts an engine over the handler. Its rejections are taken as a host takes them; `taken` notes what came of each. */
async function running(t: TestContext, received: AnyHandler, parts: AppParts = {}) {
  const appCode: AppCode = new AsyncLocalStorage();
  const taken: [string, boolean][] = [];
  const waiting = new Set<() => void>();
  const onRejection = (reason: Error) => {
    taken.push([reason.message, takeRejection(appCode, reason)]);
    for (const each of waiting) each();
  };
  // The test runner fails a test for every rejection that it sees.
  const others = process.listeners("unhandledRejection");
  process.removeAllListeners("unhandledRejection");
  process.on("unhandledRejection", onRejection);
  atEnd(t, () => {
    process.off("unhandledRejection", onRejection);
    for (const each of others) process.on("unhandledRejection", each);
  });
  const engine = engineOf(t, appOf(workflow, { received }, parts), { appCode });
  return {
    ...engine,
    taken,
    takenCount: (count: number) =>
      new Promise<void>((resolve) => {
        const look = () => taken.length >= count && resolve();
        waiting.add(look);
        look();
      }),
  };
}

describe("a rejection that a handler left unhandled", () => {
  test("fails the attempt at once, with its reason, and aborts the signal", async (t) => {
    let signal: AbortSignal | undefined;
    const { engine, place, until, of, taken } = await running(t, async (_order, context) => {
      signal = context.signal;
      setImmediate(() => void Promise.reject(new Error("forgotten await")));
      return new Promise(() => {});
    });
    await engine.start();
    const { id } = await place();
    const { failure } = await until(id, isFailed);
    assert.deepEqual([failure?.code, failure?.message], ["handler_failed", "forgotten await"]);
    assert.equal(signal?.reason.message, "forgotten await");
    assert.deepEqual(taken, [["forgotten await", true]]);
    const [line] = of("a handler left a rejection unhandled");
    assert.deepEqual(
      [line?.fields.orderId, line?.fields.status, line?.fields.error],
      [id, "received", "Error: forgotten await"],
    );
  });

  test("fails the attempt that made it and no other, also where another attempt's code rejects it", async (t) => {
    const received = controlled();
    const { promise, reject } = Promise.withResolvers<void>();
    let calls = 0;
    const { engine, place, until, get } = await running(t, (order, context) => {
      if (calls++ === 0) void promise.then(() => {});
      return received.handler(order, context);
    });
    await engine.start();
    const [made, other] = [await place(), await place()];
    await received.call(2);
    reject(new Error("rejected elsewhere"));
    assert.equal((await until(made.id, isFailed)).failure?.message, "rejected elsewhere");
    await quiet();
    assert.equal((await get(other.id)).version, 1);
    received.calls[1]?.answer("done");
    await until(other.id, isIn("done"));
  });

  test("changes nothing of an attempt that has ended, and is still counted as a handler's", async (t) => {
    const { promise, reject } = Promise.withResolvers<void>();
    const { engine, place, until, taken, takenCount, get } = await running(t, () => {
      void promise.then(() => {});
      return "done";
    });
    await engine.start();
    const order = await until((await place()).id, isIn("done"));
    reject(new Error("too late"));
    await takenCount(1);
    await quiet();
    assert.deepEqual([taken, await get(order.id)], [[["too late", true]], order]);
  });

  test("is none of a handler's where `resources` or other code made it", async (t) => {
    const { promise, reject } = Promise.withResolvers<void>();
    const { engine, taken, takenCount } = await running(t, () => "done", {
      resources: () => {
        void promise.then(() => {});
      },
    });
    await engine.start();
    reject(new Error("of the pool"));
    await takenCount(1);
    void Promise.reject(new Error("of the host"));
    await takenCount(2);
    assert.deepEqual(taken, [
      ["of the pool", false],
      ["of the host", false],
    ]);
  });
});

describe("a stop that would wait for its own caller", () => {
  test("is refused in a handler, which ends by it, and works afterwards", async (t) => {
    const { engine, place, until } = await running(t, async () => {
      await engine.stop();
      return "done";
    });
    await engine.start();
    const { failure } = await until((await place()).id, isFailed);
    assert.match(failure?.message ?? "", /^stop was called in the handler of "received"/);
    await engine.stop();
  });

  test("is refused in a handler that answers without waiting, and in the module of a lazy one", async (t) => {
    let stopping: Promise<void> | undefined;
    const { engine, place, until } = await running(t, () => {
      stopping = engine.stop();
      stopping.catch(() => {});
      return "done";
    });
    await engine.start();
    await until((await place()).id, isIn("done"));
    await assert.rejects(stopping ?? Promise.resolve(), cauceError("waits_for_itself"));
  });

  test("is taken from code that a handler left behind once its attempt has ended", async (t) => {
    const { promise: later, resolve } = Promise.withResolvers<void>();
    let stopping: Promise<void> | undefined;
    const { engine, place, until } = await running(t, () => {
      stopping = later.then(() => engine.stop());
      return "done";
    });
    await engine.start();
    await until((await place()).id, isIn("done"));
    resolve();
    await stopping;
  });

  test("is refused in `resources` and in `release`, and so is a start in `resources`", async (t) => {
    for (const call of ["stop", "start"] as const) {
      const { engine } = await running(t, () => "done", { resources: () => engine[call]() });
      await assert.rejects(
        engine.start(),
        cauceError("resources_failed", new RegExp(`${call} was called in \`resources\``)),
      );
    }
    const { engine, of } = await running(t, () => "done", { resources: () => ({}), release: () => engine.stop() });
    await engine.start();
    await engine.stop();
    assert.match(String(of("resources not closed")[0]?.fields.error), /stop was called in `release` of the app/);
  });

  test("is refused while the app's code runs, and not in what it left running", async () => {
    const appCode: AppCode = new AsyncLocalStorage();
    let after: boolean | undefined;
    const left = Promise.withResolvers<void>();
    await runAppCode(appCode, "resources", () => {
      setImmediate(() => {
        after = appCode.getStore()?.isRunning;
        left.resolve();
      });
    });
    await left.promise;
    assert.equal(after, false);
  });
});
