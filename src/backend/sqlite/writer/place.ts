import type { DatabaseSync } from "node:sqlite";
import { CauceError } from "../../../core/errors.ts";
import type { Decoder } from "../batch/codec.ts";
import { op, type Unsuccessful } from "../batch/protocol.ts";
import { placed } from "../batch/row.ts";
import { insert, kindNumber } from "../schema.ts";
import { addKey, findKey, type keyStatements, seqsOfKey } from "./keys.ts";
import { bucketOf, join, type QueueStatements, unqueued } from "./queue.ts";
import { count, nextBlock, queueOf, type Writer } from "./state.ts";

const given = ["seq", ...placed.names, "block", "queue", "position", "lane"];
// SQLite copies the text of a row, so rows with much text are inserted one by one.
const textTogetherMax = 65_536;

type PlaceStatements = QueueStatements & ReturnType<typeof keyStatements> & ReturnType<typeof placeStatements>;
type PlaceWriter = Writer<PlaceStatements>;
export const placeStatements = (db: DatabaseSync) => ({
  insertOrders: insert(
    db,
    `INTO orders (${given}, visit, version, attempts, attempting, redelivered, past, past_omitted, results)`,
    `(${given.map(() => "?")}, 0, 1, 0, 0, 0, '', 0, '{}')`,
  ),
  insertData: insert(db, "INTO order_data (seq, data)", "(?, ?)"),
});

/** Reads a placing. It is stored with those that follow it at once. */
export function place(writer: PlaceWriter, from: Decoder, index: number, code: number): undefined {
  writer.placings.push({
    index,
    seq: from.number(),
    values: placed.decode(from),
    dataJson: from.text(),
    keyHash: from.textOrNull(),
    contentHash: from.text(),
    extrasJson: code === op.placeWithExtras ? from.text() : null,
  });
}

/** Stores the orders that were read, each with its first delivery, but none whose idempotency key is known. */
export function storePlacings(writer: PlaceWriter, unsuccessful: (Unsuccessful & { readonly index: number })[]): void {
  const { placings, rows, statements, fifo } = writer;
  if (placings.length === 0) return;
  for (const { index, seq, values, dataJson, keyHash, contentHash, extrasJson } of placings) {
    if (keyHash !== null) {
      const seqs = seqsOfKey(writer, keyHash);
      if (seqs.length > 0) writeRows(writer);
      const [orderId, knownHash] = findKey(writer, keyHash, seqs) ?? [];
      if (orderId !== undefined) {
        unsuccessful.push({ is: knownHash === contentHash ? "repeated" : "conflict", orderId, index });
        continue;
      }
    }
    // The front gives keys in the order of placing. That is what lists and cursors rely on.
    if (seq <= writer.lastSeq) throw new CauceError("internal_error", `key ${seq} comes after key ${writer.lastSeq}`);
    writer.lastSeq = seq;
    const { [placed.at.status]: status, [placed.at.kind]: kind, [placed.at.group_key]: group } = values;
    let slot = unqueued;
    if (kind === kindNumber.handled) {
      const order = { seq, status, group: fifo ? group : null, visit: 0, version: 1, plain: true };
      if (order.group !== null) {
        if (rows.groups.has(order.group)) writeRows(writer);
        rows.groups.add(order.group);
      }
      slot = join(writer, order, index);
    } else count(writer, queueOf(writer, status), bucketOf(kind, false), 1);
    const block = group === null ? null : nextBlock(writer);
    rows.orders.push(seq, ...values, block, slot.queue, slot.position, slot.group);
    if (dataJson.length <= textTogetherMax) rows.data.push(seq, dataJson);
    else statements.insertData.run([seq, dataJson]);
    if (keyHash !== null) {
      addKey(writer, keyHash, seq);
      rows.keys.push(seq, keyHash, contentHash);
    }
    if (extrasJson !== null) rows.extras.push([extrasJson, seq]);
  }
  writeRows(writer);
  placings.length = 0;
}

/**
 * Inserts the rows that were collected, many at a time. Before anything looks for an order of this batch in its tables,
 * the rows must be written.
 */
function writeRows({ statements, rows }: PlaceWriter): void {
  const { orders, data, keys, extras, groups } = rows;
  if (orders.length === 0) return;
  statements.insertOrders.run(orders);
  if (data.length > 0) statements.insertData.run(data);
  if (keys.length > 0) statements.insertKeys.run(keys);
  for (const [extrasJson, seq] of extras) statements.setExtras.run(extrasJson, seq);
  for (const list of [orders, data, keys, extras]) list.length = 0;
  groups.clear();
}
