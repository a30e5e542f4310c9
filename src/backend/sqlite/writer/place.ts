import type { DatabaseSync, SQLInputValue } from "node:sqlite";
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
  const { placings, statements, fifo } = writer;
  if (placings.length === 0) return;
  writer.placings = [];
  const rows = createRows(statements);
  for (const { index, seq, values, dataJson, keyHash, contentHash, extrasJson } of placings) {
    if (keyHash !== null) {
      const seqs = seqsOfKey(writer, keyHash);
      if (seqs.length > 0) rows.write();
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
      if (order.group !== null) rows.beforeGroup(order.group);
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
  rows.write();
}

/** Collects rows, to insert many at a time. They must be written before anything looks for them. */
function createRows(statements: PlaceStatements) {
  const orders: SQLInputValue[] = [];
  const data: SQLInputValue[] = [];
  const keys: SQLInputValue[] = [];
  const extras: [extrasJson: string, seq: number][] = [];
  /** The groups of the orders, where they must queue behind each other. */
  let groups: Set<string> | undefined;

  const write = (): void => {
    if (orders.length === 0) return;
    statements.insertOrders.run(orders.splice(0));
    if (data.length > 0) statements.insertData.run(data.splice(0));
    if (keys.length > 0) statements.insertKeys.run(keys.splice(0));
    for (const [extrasJson, seq] of extras.splice(0)) statements.setExtras.run(extrasJson, seq);
    groups = undefined;
  };
  return {
    orders,
    data,
    keys,
    extras,
    write,
    /** Called before an order joins its group, which looks for the orders before it. */
    beforeGroup(group: string): void {
      if (groups?.has(group)) write();
      groups ??= new Set();
      groups.add(group);
    },
  };
}
