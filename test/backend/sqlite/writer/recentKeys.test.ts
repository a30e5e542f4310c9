import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { prefixOf } from "../../../../src/backend/sqlite/schema.ts";
import { createRecentKeys } from "../../../../src/backend/sqlite/writer/recentKeys.ts";

test("a full table finds each of its keys and no other, also where keys share a prefix, a slot or the last slot", () => {
  const last = 2 ** 52 - 1;
  const prefix = fc.oneof(fc.constantFrom(0, 1, last, last - 1, 2 ** 51), fc.integer({ min: 0, max: last }));
  const isRemoved = fc.boolean();
  fc.assert(
    fc.property(fc.array(fc.tuple(prefix, isRemoved), { minLength: 1, maxLength: 64 }), (keys) => {
      const table = createRecentKeys(keys.length);
      const bySeq = keys.map(([prefix, isRemoved], index) => ({ prefix, isRemoved, seq: index + 1 }));
      for (const { prefix, seq } of bySeq) table.add(prefix, seq);
      for (const { prefix, seq, isRemoved } of bySeq) if (isRemoved) table.remove(prefix, seq);
      const kept = bySeq.filter(({ isRemoved }) => !isRemoved);
      for (const { prefix } of bySeq) {
        const expected = kept.filter((key) => key.prefix === prefix).map(({ seq }) => seq);
        assert.deepEqual([...table.find(prefix)].sort(), expected.sort());
      }
      assert.deepEqual([table.count(), table.lastSeq()], [keys.length, keys.length]);
      const half = table.slots / 2;
      const entries = [...table.entries(0, half), ...table.entries(half, table.slots)];
      const moved = Array.from({ length: entries.length / 2 }, (_, n) => `${entries[2 * n]} ${entries[2 * n + 1]}`);
      assert.deepEqual(moved.sort(), kept.map(({ prefix, seq }) => `${prefix} ${seq}`).sort());
    }),
  );
});

test("a prefix is the first 52 bits of a hash", () => {
  assert.equal(prefixOf(`${"f".repeat(13)}${"0".repeat(51)}`), 2 ** 52 - 1);
  assert.equal(prefixOf(`00000000000ff${"f".repeat(51)}`), 255);
});
