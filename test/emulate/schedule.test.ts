import assert from "node:assert/strict";
import { it } from "node:test";
import { startSchedule } from "../../src/emulate/emulate.ts";
import { fakeClock } from "../../src/testing/fakeClock.ts";

it("a schedule calls each time its period has passed, until it is stopped", () => {
  const clock = fakeClock();
  let calls = 0;
  const end = startSchedule(clock, 60, () => {
    calls++;
  });
  clock.advance(59);
  assert.equal(calls, 0);
  clock.advance(1);
  assert.equal(calls, 1);
  clock.advance(120);
  assert.equal(calls, 3);
  end();
  assert.equal(clock.timers, 0);
});
