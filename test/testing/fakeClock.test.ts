import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { fakeClock } from "../../src/testing/fakeClock.ts";

test("a fake clock stands still until it is advanced", () => {
  const clock = fakeClock(1_000);
  assert.equal(clock.now(), 1_000);
  clock.advance(1.5);
  assert.equal(clock.now(), 2_500);
  clock.advance(0);
  assert.equal(clock.now(), 2_500);
});

test("a fake clock without a start begins on 24 November 2026", () => {
  assert.equal(new Date(fakeClock().now()).toISOString(), "2026-11-24T00:00:00.000Z");
});

test("callbacks are made before advance returns, in the order of their times, each at its own time", () => {
  const clock = fakeClock(0);
  const rung: [string, number][] = [];
  const ring = (name: string) => () => rung.push([name, clock.now()]);
  clock.at(300, ring("c"));
  clock.at(100, ring("a"));
  clock.at(200, ring("b1"));
  clock.at(200, ring("b2"));
  clock.at(301, ring("late"));
  clock.advance(0.3);
  assert.deepEqual(rung, [
    ["a", 100],
    ["b1", 200],
    ["b2", 200],
    ["c", 300],
  ]);
  assert.equal(clock.timers, 1);
});

test("a timer that a callback sets rings within the advanced span, and not past it", () => {
  const clock = fakeClock(0);
  const rung: number[] = [];
  const again = () => {
    rung.push(clock.now());
    clock.at(clock.now() + 100, again);
  };
  clock.at(100, again);
  clock.advance(0.35);
  assert.deepEqual(rung, [100, 200, 300]);
  assert.equal(clock.now(), 350);
});

test("a cancelled timer does not ring, also when another callback cancels it", () => {
  const clock = fakeClock(0);
  const rung: string[] = [];
  const cancelEarly = clock.at(100, () => rung.push("early"));
  const cancelLate = clock.at(300, () => rung.push("late"));
  clock.at(200, () => cancelLate());
  cancelEarly();
  cancelEarly();
  clock.advance(1);
  assert.deepEqual(rung, []);
  assert.equal(clock.timers, 0);
});

test("a timer may be set at any distance", () => {
  const clock = fakeClock(0);
  const rung: number[] = [];
  clock.at(100 * 86_400_000, () => rung.push(clock.now()));
  clock.at(Number.POSITIVE_INFINITY, () => rung.push(-1));
  clock.advance(99 * 86_400);
  assert.deepEqual(rung, []);
  clock.advance(2 * 86_400);
  assert.deepEqual(rung, [100 * 86_400_000]);
});

test("a callback for a past moment is made by itself, in the next turn of the event loop", async () => {
  const clock = fakeClock(1_000);
  const rung: string[] = [];
  clock.at(1_000, () => rung.push("now"));
  const cancel = clock.at(500, () => rung.push("cancelled"));
  cancel();
  assert.deepEqual(rung, []);
  await turn();
  assert.deepEqual(rung, ["now"]);
  clock.advance(1);
  await turn();
  assert.deepEqual(rung, ["now"]);
});

test("a callback that advances the clock leaves it where it moved it", () => {
  const clock = fakeClock(0);
  const rung: number[] = [];
  clock.at(100, () => clock.advance(5));
  clock.at(2_000, () => rung.push(clock.now()));
  clock.advance(1);
  assert.deepEqual(rung, [2_000]);
  assert.equal(clock.now(), 5_100);
});

test("a fake clock does not go back", () => {
  const clock = fakeClock();
  assert.throws(() => clock.advance(-1), RangeError);
  assert.throws(() => clock.advance(Number.NaN), RangeError);
  assert.throws(() => clock.advance(Number.POSITIVE_INFINITY), RangeError);
});

test("nextAt is the time of the next callback that was not cancelled", () => {
  const clock = fakeClock(0);
  assert.equal(clock.nextAt, null);
  const cancel = clock.at(100, () => {});
  clock.at(200, () => {});
  assert.equal(clock.nextAt, 100);
  cancel();
  assert.equal(clock.nextAt, 200);
  clock.advance(1);
  assert.equal(clock.nextAt, null);
});

test("a step sets the time of day alone: what `after` waits for does not notice, and what `at` waits for does", async () => {
  const clock = fakeClock(100_000);
  const rung: string[] = [];
  const monotonic = clock.monotonic();
  clock.after(2_000, () => rung.push("after"));
  clock.at(102_000, () => rung.push("at"));
  clock.step(-10);
  assert.deepEqual([clock.now(), clock.monotonic()], [90_000, monotonic]);
  assert.equal(clock.nextAt, 92_000);
  clock.advance(2);
  assert.deepEqual(rung, ["after"]);
  clock.step(20);
  assert.deepEqual([rung, clock.now(), clock.monotonic()], [["after"], 112_000, monotonic + 2_000]);
  await turn();
  assert.deepEqual([rung, clock.timers], [["after", "at"], 0]);
  assert.throws(() => clock.step(Number.NaN), RangeError);
});
