import assert from "node:assert/strict";
import { test } from "node:test";
import { heap } from "../../../src/backend/memory/queues.ts";

test("a heap pops its values in order, whatever is pushed in between", () => {
  const numbers = heap<number>((a, b) => a < b);
  const expected: number[] = [];
  // A fixed sequence of pushes and pops that looks random: a linear congruential generator.
  let seed = 7;
  for (let step = 0; step < 5_000; step++) {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    if (seed % 3 === 0) {
      assert.equal(numbers.peek(), expected[0]);
      assert.equal(numbers.pop(), expected.shift());
    } else {
      numbers.push(seed);
      expected.push(seed);
      expected.sort((a, b) => a - b);
    }
    assert.equal(numbers.size, expected.length);
  }
  while (expected.length > 0) assert.equal(numbers.pop(), expected.shift());
  assert.equal(numbers.pop(), undefined);
  assert.equal(numbers.peek(), undefined);
});
