import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createSlotMap } from "../../../src/backend/sqlite/slotMap.ts";

describe("a map for short-lived keys", () => {
  it("gives the value that was set last, until the key is deleted", () => {
    const map = createSlotMap<string, number>();
    map.set("a", 1);
    map.set("b", 2);
    map.set("a", 3);
    assert.equal(map.get("a"), 3);
    map.delete("a");
    map.delete("a");
    assert.equal(map.get("a"), undefined);
    assert.equal(map.get("b"), 2);
  });

  it("agrees with a Map over 20,000 sets and deletes", () => {
    const map = createSlotMap<number, number>();
    const plain = new Map<number, number>();
    let seed = 1;
    for (let step = 0; step < 20_000; step++) {
      seed = (seed * 48_271) % 2_147_483_647;
      const key = seed % 97;
      if (seed % 3 === 0) {
        map.delete(key);
        plain.delete(key);
      } else {
        map.set(key, step);
        plain.set(key, step);
      }
    }
    for (let key = 0; key < 97; key++) assert.equal(map.get(key), plain.get(key), String(key));
    assert.deepEqual(
      map.values().sort((a, b) => a - b),
      [...plain.values()].sort((a, b) => a - b),
    );
    map.clear();
    assert.deepEqual(map.values(), []);
    map.set(1, 1);
    assert.deepEqual(map.values(), [1]);
  });
});
