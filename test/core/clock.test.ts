import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { createAlarm, sleep, systemClock } from "../../src/core/clock.ts";

const hour = 3_600_000;
const day = 24 * hour;

/** Makes the machine's clock over a time that the test moves. Notes every timer that the clock arms. */
function movedClock(t: TestContext, now = 1_000_000) {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"], now });
  const armed: number[] = [];
  const live = new Set<unknown>();
  const { setTimeout: mockedSet, clearTimeout: mockedClear } = globalThis;
  t.mock.method(globalThis, "setTimeout", (callback: () => void, milliseconds: number) => {
    armed.push(milliseconds);
    const timer = mockedSet(() => {
      live.delete(timer);
      callback();
    }, milliseconds);
    live.add(timer);
    return timer;
  });
  t.mock.method(globalThis, "clearTimeout", (timer: NodeJS.Timeout) => {
    live.delete(timer);
    mockedClear(timer);
  });
  const pass = (milliseconds: number) => t.mock.timers.tick(milliseconds);
  return { clock: systemClock(), armed, live, pass, start: now };
}

describe("systemClock", () => {
  it("tells the machine's time", () => {
    const before = Date.now();
    const now = systemClock().now();
    assert.ok(before <= now && now <= Date.now());
  });

  it("calls back once, at the time and not before", (t) => {
    const { clock, pass, start, live } = movedClock(t);
    const calls: number[] = [];
    clock.at(start + 1_500, () => calls.push(clock.now()));
    pass(1_499);
    assert.deepEqual(calls, []);
    pass(1);
    assert.deepEqual(calls, [start + 1_500]);
    pass(2 * day);
    assert.equal(calls.length, 1);
    assert.equal(live.size, 0);
  });

  it("calls back soon for a time in the past, but not before `at` returns", (t) => {
    const { clock, pass, start } = movedClock(t);
    let calls = 0;
    clock.at(start - day, () => calls++);
    clock.at(start, () => calls++);
    assert.equal(calls, 0);
    pass(1);
    assert.equal(calls, 2);
  });

  it("does not call back at once for a time further off than setTimeout can hold, and sleeps an hour at a time", (t) => {
    const { clock, armed, live, pass, start } = movedClock(t);
    const calls: number[] = [];
    const distance = 60 * day + 1_234;
    assert.ok(distance > 2 ** 31);
    clock.at(start + distance, () => calls.push(clock.now()));
    for (let passed = 0; passed < distance - 1_234; passed += hour) {
      assert.deepEqual(calls, []);
      assert.equal(live.size, 1);
      pass(hour);
    }
    pass(1_233);
    assert.deepEqual(calls, []);
    pass(1);
    assert.deepEqual(calls, [start + distance]);
    assert.equal(live.size, 0);
    assert.ok(
      armed.every((milliseconds) => milliseconds <= hour),
      `the longest timer was ${Math.max(...armed)} ms`,
    );
    assert.equal(armed.length, 60 * 24 + 1);
  });

  it("does not call back early where the machine's clock steps back", (t) => {
    t.mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000_000 });
    const clock = systemClock();
    let at = 0;
    clock.at(1_010_000, () => (at = Date.now()));
    const real = Date.now;
    t.mock.method(Date, "now", () => real() - 5_000);
    t.mock.timers.tick(10_000);
    assert.ok(at === 0 || at >= 1_010_000, `called back at ${at}`);
  });

  it("never calls back for an infinite time, and can be cancelled", (t) => {
    const { clock, armed, live, pass } = movedClock(t);
    let calls = 0;
    const cancel = clock.at(Number.POSITIVE_INFINITY, () => calls++);
    for (let passed = 0; passed < 2 * day; passed += hour) pass(hour);
    assert.equal(calls, 0);
    assert.ok(armed.every((milliseconds) => milliseconds <= hour));
    cancel();
    assert.equal(live.size, 0);
  });

  it("leaves no timer where a call is cancelled before the first timer, between timers, or in the last", (t) => {
    const { clock, live, pass, start } = movedClock(t);
    let calls = 0;
    const far = () => clock.at(start + 30 * day, () => calls++);
    far()();
    const cancelMidway = far();
    const cancelLast = clock.at(start + 2 * hour + 500, () => calls++);
    pass(hour);
    pass(hour);
    pass(499);
    assert.equal(live.size, 2);
    cancelLast();
    cancelMidway();
    assert.equal(live.size, 0, "no timer is left armed");
    for (let passed = 0; passed < 31 * day; passed += hour) pass(hour);
    assert.equal(calls, 0);
  });

  it("lets a call be cancelled twice, and after it was made", (t) => {
    const { clock, pass, start, live } = movedClock(t);
    let calls = 0;
    const cancel = clock.at(start + 10, () => calls++);
    pass(10);
    cancel();
    cancel();
    pass(day);
    assert.equal(calls, 1);
    assert.equal(live.size, 0);
  });

  it("does not keep the process alive", () => {
    const timers = () => process.getActiveResourcesInfo().filter((resource) => resource === "Timeout").length;
    const before = timers();
    const cancel = systemClock().at(Date.now() + day, () => {});
    assert.equal(timers(), before, "an unreferenced timer is no active resource");
    cancel();
  });
});

describe("what lasts", () => {
  /** The machine's clock over a time that the test lets pass, and a time of day that the test steps besides. */
  function steppedClock(t: TestContext) {
    const { clock, pass, live } = movedClock(t);
    let passed = 0;
    let stepped = 0;
    const mocked = Date.now;
    t.mock.method(performance, "now", () => 70_000 + passed);
    t.mock.method(Date, "now", () => mocked() + stepped);
    const go = (milliseconds: number) => {
      passed += milliseconds;
      pass(milliseconds);
    };
    const step = (milliseconds: number) => {
      stepped += milliseconds;
    };
    return { clock, live, go, step };
  }

  it("takes its time where the time of day is set back or forward", (t) => {
    for (const milliseconds of [-10_000, 3_600_000]) {
      const { clock, go, step, live } = steppedClock(t);
      const calls: number[] = [];
      const startedAt = clock.monotonic();
      clock.after(1_000, () => calls.push(clock.monotonic() - startedAt));
      go(400);
      step(milliseconds);
      go(599);
      assert.deepEqual(calls, []);
      go(1);
      assert.deepEqual([calls, live.size], [[1_000], 0]);
      t.mock.restoreAll();
      t.mock.timers.reset();
    }
  });

  it("may be further off than a timer reaches, and can be cancelled", (t) => {
    const { clock, go, live } = steppedClock(t);
    let calls = 0;
    clock.after(30 * day, () => calls++);
    const cancel = clock.after(31 * day, () => calls++);
    for (let passed = 0; passed < 30 * day; passed += hour) {
      assert.equal(calls, 0);
      go(hour);
    }
    assert.equal(calls, 1);
    cancel();
    assert.equal(live.size, 0);
  });

  it("is slept through whatever the time of day", async (t) => {
    const { clock, go, step } = steppedClock(t);
    let isOver = false;
    const sleeping = sleep(clock, 5, new AbortController().signal).then(() => {
      isOver = true;
    });
    step(-3_600_000);
    go(4_999);
    await Promise.resolve();
    assert.equal(isOver, false);
    go(1);
    await sleeping;
  });

  it("keeps an alarm at the earliest of its times", (t) => {
    const { clock, go } = steppedClock(t);
    let rings = 0;
    const alarm = createAlarm(clock.at, () => rings++);
    alarm.setAt(clock.now() + 2_000);
    alarm.setAt(clock.now() + 1_000);
    go(1_000);
    assert.equal(rings, 1);
    go(2_000);
    assert.equal(rings, 1);
  });
});
