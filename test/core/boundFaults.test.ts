import assert from "node:assert/strict";
import { test } from "node:test";
import { boundFaults, cutText } from "../../src/core/boundFaults.ts";

const faults = (count: number, path = "a", message = "no") => Array.from({ length: count }, () => ({ path, message }));

test("a hundred faults are shown, and the others are counted", () => {
  assert.deepEqual(boundFaults(faults(100), 65_536), { errors: faults(100) });
  assert.deepEqual(boundFaults(faults(120_000), 65_536), { errors: faults(100), errorsOmitted: 119_900 });
  assert.deepEqual(boundFaults(undefined, 65_536), {});
  assert.deepEqual(boundFaults([], 65_536), { errors: [] });
});

test("a fault's path and message are cut", () => {
  const { errors } = boundFaults(faults(1, "p".repeat(9_000), "m".repeat(9_000)), 65_536);
  assert.deepEqual(errors, [{ path: `${"p".repeat(199)}…`, message: `${"m".repeat(299)}…` }]);
});

for (const character of ["m", "é", "😀", "\ud800", '"', "\u0001"]) {
  test(`what is shown takes no more bytes than there are, of ${JSON.stringify(character)}`, () => {
    for (const bytesMax of [60, 1_000, 4_000, 65_000]) {
      const shown = boundFaults(faults(101, character.repeat(200), character.repeat(300)), bytesMax);
      const bytes = Buffer.byteLength(JSON.stringify(shown));
      assert.ok(bytes <= bytesMax, `${bytes} of ${bytesMax} bytes`);
      assert.equal((shown.errors?.length ?? 0) + (shown.errorsOmitted ?? 0), 101);
    }
  });
}

test("text is cut between characters", () => {
  assert.equal(cutText("abc", 3), "abc");
  assert.equal(cutText("abcd", 3), "ab…");
  assert.equal(cutText("a😀b", 3), "a…");
});
