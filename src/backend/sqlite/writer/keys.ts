/**
 * Idempotency keys. Each is written with its order, at the end of `keys`. It is found in memory while it is recent, and
 * in `key_index` from then on: a key is random, so one at a time each would write a page of the index.
 */
import type { DatabaseSync } from "node:sqlite";
import { idIn } from "../batch/readRow.ts";
import { insert, prefixOf, query } from "../schema.ts";
import { createRecentKeys } from "./recentKeys.ts";
import { recentKeysMax, type Writer } from "./state.ts";

const keysPlacedMin = 128;

type KeyWriter = Writer<ReturnType<typeof keyStatements>>;
export const keyStatements = (db: DatabaseSync) => ({
  indexedSeqs: query<[seq: number]>(db, "SELECT seq FROM key_index WHERE prefix = ?"),
  // The whole hash decides.
  selectKey: query<[id: string, contentHash: string]>(
    db,
    `SELECT o.id, lower(hex(k.content_hash)) FROM keys k JOIN orders o ON o.seq = k.seq
     WHERE k.seq = ? AND k.key_hash = unhex(?)`,
  ),
  keyHashOf: query<[keyHash: string]>(db, "SELECT lower(hex(key_hash)) FROM keys WHERE seq = ?"),
  insertKeys: insert(db, "INTO keys", "(?, unhex(?), unhex(?))"),
  removeKey: db.prepare("DELETE FROM keys WHERE seq = ?"),
  // A key may be in the index already: the process before ended while it moved them.
  insertIndexed: insert(db, "OR IGNORE INTO key_index", "(?, ?)"),
  removeIndexed: db.prepare("DELETE FROM key_index WHERE prefix = ? AND seq = ?"),
  setKeysIndexed: db.prepare("UPDATE meta SET value = CAST(? AS INTEGER) WHERE name = 'keys_indexed'"),
  recentKeys: query<[seq: number, keyHash: string]>(
    db,
    `SELECT seq, lower(hex(key_hash)) FROM keys
     WHERE seq > (SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'keys_indexed')`,
  ),
});

/** Reads the keys that are not in the index yet. */
export function loadKeys({ statements, keys }: KeyWriter): void {
  const rows = statements.recentKeys.all();
  keys.recent = createRecentKeys(recentKeysMax);
  keys.merging = rows.length <= recentKeysMax ? undefined : createRecentKeys(rows.length);
  keys.mergedSlots = 0;
  const table = keys.merging ?? keys.recent;
  for (const [seq, keyHash] of rows) table.add(prefixOf(keyHash), seq);
}

/** Gives the orders whose keys begin like this key. For nearly every new key there is none. */
export function seqsOfKey({ statements, keys }: KeyWriter, keyHash: string): number[] {
  const prefix = prefixOf(keyHash);
  const seqs = keys.recent.find(prefix).concat(keys.merging?.find(prefix) ?? []);
  for (const [seq] of statements.indexedSeqs.all(prefix)) seqs.push(seq);
  return seqs;
}

/** Finds the order with this very key among orders that are stored: its id, and the hash of its content. */
export function findKey(
  { statements }: KeyWriter,
  keyHash: string,
  seqs: readonly number[],
): readonly [id: string, contentHash: string] | undefined {
  for (const seq of seqs) {
    const found = statements.selectKey.get(seq, keyHash);
    if (found !== undefined) return [idIn(found[0], seq), found[1]];
  }
  return undefined;
}

/** Makes a key known whose row the caller writes in this batch. */
export function addKey(writer: KeyWriter, keyHash: string, seq: number): void {
  const { keys } = writer;
  if (keys.recent.count() === recentKeysMax) {
    if (keys.merging !== undefined) merge(writer, keys.merging.slots);
    keys.merging = keys.recent;
    keys.mergedSlots = 0;
    keys.placed = 0;
    keys.recent = createRecentKeys(recentKeysMax);
  }
  keys.recent.add(prefixOf(keyHash), seq);
  keys.placed++;
  keys.changed = true;
}

/** Erases the key of an order that is removed. */
export function removeKey({ statements, keys }: KeyWriter, seq: number): void {
  const [keyHash] = statements.keyHashOf.get(seq) ?? [];
  if (keyHash === undefined) return;
  const prefix = prefixOf(keyHash);
  statements.removeKey.run(seq);
  statements.removeIndexed.run(prefix, seq);
  keys.recent.remove(prefix, seq);
  keys.merging?.remove(prefix, seq);
  keys.changed = true;
}

/**
 * Moves a part of the keys into the index, in its order: two for each key that was placed, so that the move is over
 * before the next one begins, and no batch waits for more than its share. It moves many at a time, as a page of the
 * index takes many.
 */
export function mergeKeys(writer: KeyWriter): void {
  const { keys } = writer;
  if (keys.merging === undefined || keys.placed < keysPlacedMin) return;
  merge(writer, keys.placed * Math.ceil((2 * keys.merging.slots) / recentKeysMax));
  keys.placed = 0;
}

function merge({ statements, keys }: KeyWriter, slots: number): void {
  const { merging, mergedSlots } = keys;
  if (merging === undefined) return;
  keys.mergedSlots = Math.min(merging.slots, mergedSlots + slots);
  statements.insertIndexed.run(merging.entries(mergedSlots, keys.mergedSlots));
  keys.changed = true;
  if (keys.mergedSlots < merging.slots) return;
  statements.setKeysIndexed.run(merging.lastSeq());
  keys.merging = undefined;
}
