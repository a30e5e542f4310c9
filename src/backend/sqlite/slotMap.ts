/** A map for values that come and go by the thousand each second. Its values are in no particular order. */
export type SlotMap<Key, Value> = ReturnType<typeof createSlotMap<Key, Value>>;

/**
 * Makes a map whose tables hold slots, which are small integers, in place of values.
 *
 * A `Map` makes a new table each time that its entries have been replaced. The old table keeps references to the values
 * that it held then. Where such tables reach the old generation, they keep dead values alive until a full collection:
 * half of everything that was ever promoted, as measured. A slot forgets its value at once.
 */
export function createSlotMap<Key, Value>() {
  const slots = new Map<Key, number>();
  const values: (Value | undefined)[] = [];
  const free: number[] = [];

  return {
    get(key: Key): Value | undefined {
      const slot = slots.get(key);
      return slot === undefined ? undefined : values[slot];
    },
    set(key: Key, value: Value): void {
      const slot = slots.get(key) ?? free.pop() ?? values.length;
      slots.set(key, slot);
      values[slot] = value;
    },
    delete(key: Key): void {
      const slot = slots.get(key);
      if (slot === undefined) return;
      slots.delete(key);
      values[slot] = undefined;
      free.push(slot);
    },
    clear(): void {
      slots.clear();
      values.length = 0;
      free.length = 0;
    },
    values: (): Value[] => [...slots.values()].map((slot) => values[slot] as Value),
  };
}
