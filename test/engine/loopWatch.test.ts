import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { describe, type TestContext, test } from "node:test";
import { promisify } from "node:util";
import { memory } from "../../src/backend/memory/memory.ts";
import { systemClock } from "../../src/core/clock.ts";
import type { AnyHandler } from "../../src/core/handlers.ts";
import { final } from "../../src/core/workflow.ts";
import { noObserver } from "../../src/engine/context.ts";
import { createEngine } from "../../src/engine/createEngine.ts";
import { createLoopWatch } from "../../src/engine/loopWatch.ts";
import { fakeClock } from "../../src/testing/fakeClock.ts";
import { actor, appOf, atEnd, keptLog, taken, workflowOf } from "./support.ts";

/** Holds up the event loop for real. */
function block(milliseconds: number): void {
  const until = performance.now() + milliseconds;
  while (performance.now() < until);
}

/** Starts an engine on the machine's clock whose handlers have a second. `ended` gives the statuses and codes that orders end with. */
async function onMachineClock(t: TestContext, handlers: { readonly asks: AnyHandler; readonly blocks: AnyHandler }) {
  const workflow = workflowOf({
    received: { to: ["done"], timeoutSeconds: 1, retry: { attempts: 1 } },
    done: final,
  });
  const kept = keptLog();
  const blocked: string[] = [];
  const ends: (string | undefined)[] = [];
  const bothEnded = Promise.withResolvers<void>();
  const clock = systemClock();
  const backend = memory({ clock });
  const received: AnyHandler = (order, context) =>
    handlers[(order.data as { readonly is: "asks" | "blocks" }).is](order, context);
  const engine = createEngine({
    ...{ app: appOf(workflow, { received }), backend, clock, random: () => 0.5, log: kept.log, actor },
    observer: {
      ...noObserver,
      blocked: (status) => void blocked.push(status),
      changed({ after }) {
        ends.push(after.failure?.code ?? after.status);
        if (ends.length === 2) bothEnded.resolve();
      },
    },
  });
  atEnd(t, async () => {
    await engine.stop();
    await backend.close();
  });
  await engine.start();
  return {
    ...kept,
    blocked,
    place: async (is: "asks" | "blocks") => taken(await engine.place({ is })).order.id,
    async ended() {
      await bothEnded.promise;
      return ends.toSorted();
    },
  };
}

// The answer leaves another process 200 ms after it was asked for, while the event loop of this one is blocked.
const childSource = `
  require("node:net").createServer((socket) => setTimeout(() => socket.end("answer"), 200))
    .listen(0, "127.0.0.1", function () { console.log(this.address().port); });
  process.stdin.resume().once("close", () => process.exit());`;

describe("a handler whose answer arrived while another handler blocked the event loop", () => {
  test("is not timed out where the answer came by a socket", async (t) => {
    const child = spawn(process.execPath, ["-e", childSource], { stdio: ["pipe", "pipe", "inherit"] });
    atEnd(t, () => child.stdin.end());
    const port = Number(await new Promise((resolve) => child.stdout.once("data", resolve)));
    const connected = Promise.withResolvers<void>();
    const { place, ended, of, blocked } = await onMachineClock(t, {
      async asks() {
        const socket = connect(port, "127.0.0.1");
        await once(socket, "connect");
        connected.resolve();
        await once(socket, "data");
        return "done";
      },
      async blocks() {
        await connected.promise;
        await new Promise(setImmediate);
        block(2_500);
        return "done";
      },
    });
    await Promise.all([place("asks"), place("blocks")]);
    assert.deepEqual(await ended(), ["done", "done"]);
    // The handler blocked in a later part, so that the log can name its status alone.
    await new Promise(setImmediate);
    const [line] = of("the event loop was blocked");
    assert.deepEqual(line?.fields.statuses, ["received"]);
    assert.ok(Number(line?.fields.milliseconds) >= 1_000, `${line?.fields.milliseconds} ms`);
    assert.deepEqual(blocked, ["received"]);
  });

  test("is not timed out where a child process gave the answer, and the call that blocked is named", async (t) => {
    const asked = Promise.withResolvers<void>();
    const { place, ended, of, blocked } = await onMachineClock(t, {
      async asks() {
        const answer = promisify(execFile)(process.execPath, ["-e", "console.log('answer')"]);
        asked.resolve();
        await answer;
        return "done";
      },
      blocks() {
        block(2_500);
        return "done";
      },
    });
    await place("asks");
    await asked.promise;
    const id = await place("blocks");
    assert.deepEqual(await ended(), ["done", "done"]);
    const [line] = of("a handler blocked the event loop");
    assert.deepEqual([line?.fields.orderId, line?.fields.status], [id, "received"]);
    assert.ok(Number(line?.fields.milliseconds) >= 2_500);
    assert.deepEqual(blocked, ["received"], "told once, with its order");
  });

  test("is timed out all the same where no answer came", async (t) => {
    const { place, ended } = await onMachineClock(t, {
      asks: () => new Promise(() => {}),
      async blocks() {
        await new Promise(setImmediate);
        block(1_500);
        return "done";
      },
    });
    await Promise.all([place("asks"), place("blocks")]);
    assert.deepEqual(await ended(), ["attempt_timed_out", "done"]);
  });
});

describe("the watch over the event loop", () => {
  test("has a timer only while handlers run, and tells nothing of a loop that is on time", () => {
    const clock = fakeClock();
    const watch = createLoopWatch(clock, () => assert.fail("nothing was blocked"));
    const activity = watch.add("received");
    assert.equal(clock.timers, 0);
    watch.begin(activity);
    clock.advance(60);
    assert.equal(clock.timers, 1);
    watch.end(activity);
    clock.advance(1);
    assert.equal(clock.timers, 0);
    watch.begin(activity);
    watch.close();
    assert.equal(clock.timers, 0);
  });

  test("tells a block of a second that begins just after its timer was set, and none of half a second", (t) => {
    let late = 0;
    let ring = () => {};
    let period = 0;
    const fake = fakeClock();
    const clock = {
      ...fake,
      monotonic: () => fake.monotonic() + late,
      after: (milliseconds: number, callback: () => void) => {
        period = milliseconds;
        ring = callback;
        return () => {};
      },
    };
    const told: number[] = [];
    const watch = createLoopWatch(clock, (_statuses, milliseconds) => void told.push(milliseconds));
    atEnd(t, async () => watch.close());
    watch.begin(watch.add("received"));
    late += 1_000;
    ring();
    assert.deepEqual(told, [1_000 - period]);
    late += period + 500;
    ring();
    assert.equal(told.length, 1);
  });

  test("names the statuses whose handlers ran during the block, and not those that had ended before", () => {
    let late = 0;
    let ring = () => {};
    const fake = fakeClock();
    const clock = {
      ...fake,
      monotonic: () => fake.monotonic() + late,
      after: (_milliseconds: number, callback: () => void) => {
        ring = callback;
        return () => {};
      },
    };
    const told: [readonly string[], number][] = [];
    const watch = createLoopWatch(clock, (...block) => void told.push(block));
    const [before, during, running] = ["before", "during", "running"].map((status) => watch.add(status));
    assert.ok(before && during && running);
    for (const each of [before, during, running]) watch.begin(each);
    watch.end(before);
    late = 4_000;
    watch.end(during);
    ring();
    assert.deepEqual(told, [[["during", "running"], 3_750]]);
    watch.end(running);
    late = 60_000;
    ring();
    assert.equal(told.length, 1, "the process was frozen, and no handler ran");
  });
});
