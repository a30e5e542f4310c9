import type { DatabaseSync } from "node:sqlite";
import { CauceError } from "../../../core/errors.ts";
import type { Decoder } from "../batch/codec.ts";
import { op, type Unsuccessful } from "../batch/protocol.ts";
import { idIn } from "../batch/readRow.ts";
import { placed } from "../batch/row.ts";
import { kindNumber, query } from "../schema.ts";
import { bucketOf, join, type QueueStatements, unqueued } from "./queue.ts";
import { count, nextBlock, queueOf, type Writer } from "./state.ts";

const given = ["seq", ...placed.names, "block", "queue", "position", "lane"];

type PlaceWriter = Writer<QueueStatements & ReturnType<typeof placeStatements>>;
export const placeStatements = (db: DatabaseSync) => ({
  findKey: query<[id: string, contentHash: string, seq: number]>(
    db,
    "SELECT o.id, lower(hex(k.content_hash)), k.seq FROM keys k JOIN orders o ON o.seq = k.seq WHERE k.key_hash = unhex(?)",
  ),
  insertKey: db.prepare("INSERT INTO keys VALUES (unhex(?), unhex(?), ?)"),
  insertOrder: db.prepare(
    `INSERT INTO orders (${given}, visit, version, attempts, attempting, redelivered, past, past_omitted, results)
     VALUES (${given.map(() => "?")}, 0, 1, 0, 0, 0, '', 0, '{}')`,
  ),
  insertData: db.prepare("INSERT INTO order_data VALUES (?, ?, unhex(?))"),
});

/** Stores a new order with its first delivery, unless its idempotency key is known. */
export function place(writer: PlaceWriter, from: Decoder, index: number, code: number): Unsuccessful | undefined {
  const { statements, fifo } = writer;
  const seq = from.number();
  const values = placed.decode(from);
  const dataJson = from.text();
  const keyHash = from.textOrNull();
  const contentHash = from.text();
  const extras = code === op.placeWithExtras ? from.text() : null;
  if (keyHash !== null) {
    const [knownId, knownHash, knownSeq = 0] = statements.findKey.get(keyHash) ?? [];
    const orderId = knownId === undefined ? undefined : idIn(knownId, knownSeq);
    if (orderId !== undefined) return { is: knownHash === contentHash ? "repeated" : "conflict", orderId };
  }
  // The front gives keys in the order of placing. That is what lists and cursors rely on.
  if (seq <= writer.lastSeq) throw new CauceError("internal_error", `key ${seq} comes after key ${writer.lastSeq}`);
  writer.lastSeq = seq;
  if (keyHash !== null) statements.insertKey.run(keyHash, contentHash, seq);
  const { [placed.at.status]: status, [placed.at.kind]: kind, [placed.at.group_key]: group } = values;
  let slot = unqueued;
  if (kind === kindNumber.handled) {
    const order = { seq, status, group: fifo ? group : null, visit: 0, version: 1, plain: true };
    slot = join(writer, order, index);
  } else count(writer, queueOf(writer, status), bucketOf(kind, false), 1);
  const block = group === null ? null : nextBlock(writer);
  statements.insertOrder.run(seq, ...values, block, slot.queue, slot.position, slot.group);
  statements.insertData.run(seq, dataJson, keyHash);
  if (extras !== null) statements.setExtras.run(extras, seq);
  return undefined;
}
