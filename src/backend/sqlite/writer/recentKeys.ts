import { prefixBits } from "../schema.ts";

/** Keys that are not in `key_index` yet, by prefix. Two keys may have one prefix: each is found. */
export type RecentKeys = ReturnType<typeof createRecentKeys>;

const none: readonly number[] = [];
// No order has this key: keys begin at 1, and 0 is an empty slot.
const removed = -1;

/**
 * Makes a hash table of numbers in arrays of fixed size: a `Map` of this size keeps the garbage collector busy. The slot
 * follows from the first bits of the prefix, so the entries of the slots one after another are nearly in the order of
 * `key_index`.
 *
 * @param entriesMax how many entries are added at most
 */
export function createRecentKeys(entriesMax: number) {
  const slots = 2 ** Math.ceil(Math.log2(entriesMax * 2));
  const prefixesPerSlot = 2 ** prefixBits / slots;
  const prefixes = new Float64Array(slots);
  const seqs = new Float64Array(slots);
  let count = 0;
  let lastSeq = 0;
  const slotOf = (prefix: number) => Math.floor(prefix / prefixesPerSlot);
  const after = (slot: number) => (slot + 1) & (slots - 1);

  return {
    slots,
    count: () => count,
    lastSeq: () => lastSeq,
    add(prefix: number, seq: number): void {
      let slot = slotOf(prefix);
      while (seqs[slot] !== 0) slot = after(slot);
      prefixes[slot] = prefix;
      seqs[slot] = seq;
      count++;
      lastSeq = seq;
    },
    /** Gives the orders whose keys have this prefix. */
    find(prefix: number): readonly number[] {
      let found: number[] | undefined;
      for (let slot = slotOf(prefix); seqs[slot] !== 0; slot = after(slot)) {
        if (prefixes[slot] === prefix && seqs[slot] !== removed) (found ??= []).push(seqs[slot] as number);
      }
      return found ?? none;
    },
    remove(prefix: number, seq: number): void {
      for (let slot = slotOf(prefix); seqs[slot] !== 0; slot = after(slot))
        if (seqs[slot] === seq) seqs[slot] = removed;
    },
    /** Gives the entries of the slots from one to before another, as prefix and seq by turns. */
    entries(from: number, to: number): number[] {
      const entries: number[] = [];
      for (let slot = from; slot < to; slot++) {
        const seq = seqs[slot] as number;
        if (seq > 0) entries.push(prefixes[slot] as number, seq);
      }
      return entries;
    },
  };
}
