import assert from "node:assert/strict";
import { test } from "node:test";
import {
  createIntake,
  type Intake,
  type Lane,
  nextWidth,
  waitSecondsMax,
  widthMax,
  widthMin,
} from "../../src/engine/intake.ts";
import { type FakeClock, fakeClock } from "../../src/testing/fakeClock.ts";

/** A gate whose thread is as busy as the test says, and the slots of one status. */
function gate(busy = 1) {
  const clock = fakeClock();
  const thread = { busy };
  const intake = createIntake({ clock, busyShare: () => thread.busy });
  const slots = { isFull: false, handling: 0 };
  intake.watch({ all: 100, isFull: () => slots.isFull, handling: () => slots.handling });
  return { clock, thread, intake, slots };
}

/** Lets a placing in and out again, every 5 ms of the given time: each is a look at the slots. */
function pass(intake: Intake, clock: FakeClock, milliseconds: number): void {
  for (let passed = 0; passed < milliseconds; passed += 5) {
    clock.advance(0.005);
    if (intake.enter("single") === undefined) intake.left(0);
  }
}

test("a placing is let in at once while there is room, and one that ends lets the next one in", async () => {
  const { intake } = gate(0);
  for (let n = 0; n < widthMax; n++) assert.equal(intake.enter("single"), undefined);
  const waiting = intake.enter("single");
  assert.ok(waiting !== undefined);
  assert.deepEqual(intake.state(), { width: widthMax, placing: widthMax, waiting: 1, refused: 0 });
  intake.left(0);
  assert.equal(await waiting, true);
  assert.deepEqual(intake.state(), { width: widthMax, placing: widthMax, waiting: 0, refused: 0 });
});

test("the data of the placings that are in is bounded, and the largest order always passes alone", async () => {
  const { intake } = gate(0);
  assert.equal(intake.enter("single"), undefined);
  intake.took(100_000_000);
  const second = intake.enter("single");
  assert.ok(second !== undefined);
  intake.left(100_000_000);
  assert.equal(await second, true);
});

test("the gate becomes narrower while the thread is busy and more orders are ready than slots", () => {
  const { clock, intake, slots } = gate();
  slots.isFull = true;
  for (let n = 0; n < 500; n++) intake.enter("single");
  pass(intake, clock, 60);
  assert.equal(intake.state().width, Math.floor(501 * 0.8));
  pass(intake, clock, 2_000);
  assert.equal(intake.state().width, widthMin);
});

for (const [what, busy, isFull, handling] of [
  ["the thread has time left", 0.5, true, 0],
  ["the store has no delivery for a slot", 1, false, 0],
  ["the slots are used up by handlers", 1, true, 90],
] as const) {
  test(`the gate stays wide where ${what}, however many orders wait`, () => {
    const { clock, intake, slots } = gate(busy);
    Object.assign(slots, { isFull, handling });
    pass(intake, clock, 2_000);
    assert.equal(intake.state().width, widthMax);
  });
}

test("the gate becomes wide again once deliveries no longer wait, also where nothing else is placed", async () => {
  const { clock, intake, slots } = gate();
  slots.isFull = true;
  pass(intake, clock, 2_000);
  assert.equal(intake.state().width, widthMin);
  slots.isFull = false;
  pass(intake, clock, 5_000);
  assert.equal(intake.state().width, widthMax);
});

test("a placing that waited for its time is refused while the process is overloaded, the oldest first", async () => {
  const { clock, intake, slots } = gate();
  slots.isFull = true;
  pass(intake, clock, 2_000);
  for (let n = 0; n < widthMin; n++) intake.enter("single");
  const first = intake.enter("single");
  clock.advance(1);
  const second = intake.enter("bulk");
  clock.advance(waitSecondsMax - 1);
  assert.equal(await first, false);
  assert.deepEqual(intake.state(), { width: widthMin, placing: widthMin, waiting: 1, refused: 1 });
  clock.advance(1);
  assert.equal(await second, false);
  assert.equal(clock.timers, 0);
});

test("a placing that waits where nothing waits for the thread is never refused", async () => {
  const { clock, intake, slots } = gate();
  Object.assign(slots, { isFull: true, handling: 100 });
  for (let n = 0; n < widthMax; n++) intake.enter("single");
  const waiting = intake.enter("single");
  clock.advance(600);
  assert.equal(intake.state().refused, 0);
  intake.left(0);
  assert.equal(await waiting, true);
  assert.equal(clock.timers, 0);
});

test("what one program places by the thousand lets the placings of others in between", async () => {
  const { intake } = gate(0);
  for (let n = 0; n < widthMax; n++) intake.enter("bulk");
  const letIn: Lane[] = [];
  const enter = (lane: Lane) => void intake.enter(lane)?.then(() => letIn.push(lane));
  for (let n = 0; n < 1_000; n++) enter("bulk");
  for (let n = 0; n < 3; n++) enter("single");
  for (let n = 0; n < 8; n++) intake.left(0);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(letIn, ["single", "bulk", "single", "bulk", "single", "bulk", "bulk", "bulk"]);
});

test("those that wait are let in in their order, thousands of them", async () => {
  const { intake } = gate(0);
  for (let n = 0; n < widthMax; n++) intake.enter("single");
  const letIn: number[] = [];
  for (let n = 0; n < 10_000; n++) void intake.enter("single")?.then(() => letIn.push(n));
  for (let n = 0; n < 10_000; n++) intake.left(0);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(
    letIn,
    Array.from({ length: 10_000 }, (_, n) => n),
  );
  assert.equal(intake.state().placing, widthMax);
});

test("a status that is no longer polled holds nothing back", () => {
  const clock = fakeClock();
  const intake = createIntake({ clock, busyShare: () => 1 });
  const unwatch = intake.watch({ all: 1, isFull: () => true, handling: () => 0 });
  pass(intake, clock, 100);
  assert.ok(intake.state().width < widthMax);
  unwatch();
  pass(intake, clock, 10_000);
  assert.equal(intake.state().width, widthMax);
});

test("the width falls by a fifth below what was in, and grows by a tenth, within its bounds", () => {
  assert.equal(nextWidth(4_096, { peak: 100, overloaded: true }), 80);
  assert.equal(nextWidth(40, { peak: 100, overloaded: true }), 32);
  assert.equal(nextWidth(16, { peak: 4, overloaded: true }), widthMin);
  assert.equal(nextWidth(16, { peak: 16, overloaded: false }), 18);
  assert.equal(nextWidth(4_000, { peak: 1, overloaded: false }), widthMax);
});
