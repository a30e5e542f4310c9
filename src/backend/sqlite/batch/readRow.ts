/**
 * How a row becomes an order, and what stands for a row that cannot be read. Each row is read by itself, so a damaged one
 * stops no other. A file that a hand, a disk or a restored page changed may hold anything in any column.
 */
import { jsonOf } from "../../../core/cursor.ts";
import type { Actor, Entry, Failure, StatusKind, StoredOrder, Visit } from "../../../core/order.ts";
import { namePattern } from "../../../core/workflow.ts";
import { seqOf, standInIdOf } from "../../newOrder.ts";
import { isFailure, isSoundNumber, unreadableOrder, unreadableStatus } from "../../unreadable.ts";
import { detached } from "./codec.ts";
import {
  type QueuedRow,
  type ReadRow,
  read,
  type StoredActor,
  type StoredEntry,
  type StoredRow,
  type StoredVisit,
  stored,
  storedColumns,
} from "./row.ts";

/** What a column may hold in fact, whatever its type says. */
type Cell = string | number | bigint | Uint8Array | null;
type RowOfCells = readonly Cell[];

/** Reads the bytes of each text of a row, in the order of the stored columns. */
export type BytesOf = (seq: number) => RowOfCells | undefined;

const { at } = stored;

/** Makes the order of a row that a statement gave. */
export function orderOfRead(row: ReadRow | QueuedRow, bytesOf: BytesOf): StoredOrder {
  const cells = withBytes(row, bytesOf);
  return isSound(cells) ? orderOfRow(row) : unreadableRow(cells);
}

/** Makes what stands for a row that `encodeStored` cannot carry; undefined for a row that it can. */
export function unsoundOrder(row: RowOfCells, bytesOf: BytesOf): StoredOrder | undefined {
  const cells = withBytes(row, bytesOf);
  return isSound(cells) ? undefined : unreadableRow(cells);
}

const kinds: readonly StatusKind[] = ["handled", "waiting", "final"];

/** Makes the order of a row whose columns have the types of the schema. */
export function orderOfRow(row: StoredRow | ReadRow | QueuedRow): StoredOrder {
  const { [at.group_key]: group, [at.failure]: failureJson } = row;
  const entry = entryOf(jsonOf(row[at.entry]));
  const past = pastOf(row[at.past]);
  const failure = failureOf(failureJson);
  if (entry === undefined || past === undefined || failure === undefined) return unreadableRow(row);
  return {
    id: row[at.id],
    status: row[at.status],
    kind: kinds[row[at.kind]] as StatusKind,
    visit: row[at.visit],
    version: row[at.version],
    attempts: row[at.attempts],
    attempting: row[at.attempting] !== 0,
    dataJson: row[at.data],
    resultsJson: row[at.results],
    group: group === null ? null : detached(group),
    createdAt: row[at.created_at],
    updatedAt: row[at.updated_at],
    notBefore: row[at.not_before],
    expiresAt: row[at.expires_at],
    failure,
    entry,
    past,
    pastOmitted: row[at.past_omitted],
    extrasJson: row[at.extras],
  };
}

/** The id in the row of a key, or one that stands for it where it is not the key's. */
export function idIn(cell: Cell, seq: number): string {
  return typeof cell === "string" && seqOf(cell) === seq ? cell : standInIdOf(seq);
}

/** Whether the row of a key is that of the order with this id: its id says so, or can no longer say. */
export function isRowOf(id: string, rowId: Cell, seq: number): boolean {
  return rowId === id || !(typeof rowId === "string" && seqOf(rowId) === seq);
}

/** A number that a column should hold; 0 where the column holds something else. */
export function numberIn(cell: Cell): number {
  return isSoundNumber(cell) ? cell : 0;
}

/** The status in a column, or what stands for one. */
export function statusIn(cell: Cell): string {
  return typeof cell === "string" && namePattern.test(cell) ? cell : unreadableStatus;
}

/**
 * Puts bytes in the place of each text that is no UTF-8. Node reads such a text with U+FFFD for what it cannot read, so
 * only a text with that character is looked at again.
 */
function withBytes(row: RowOfCells, bytesOf: BytesOf): RowOfCells {
  if (!row.some(isReplaced)) return row;
  const bytes = bytesOf(row[at.seq] as number);
  return row.map((cell, index) => {
    const raw = bytes?.[index];
    return isReplaced(cell) && raw instanceof Uint8Array && !Buffer.from(cell).equals(raw) ? raw : cell;
  });
}

function isReplaced(cell: Cell): cell is string {
  return typeof cell === "string" && cell.includes("\ufffd");
}

/** Whether each column holds what its type says, and the id is that of the key. */
function isSound(row: RowOfCells): boolean {
  for (let index = 0; index < storedColumns.length; index++) if (!isCell(row, index)) return false;
  return row[read.at.is_json] === 1 || (isJson(row[at.data] as string) && isJson(row[at.results] as string));
}

function isCell(row: RowOfCells, index: number): boolean {
  const cell = row[index] ?? null;
  const type = storedColumns[index]?.[1];
  if (cell === null) return type === "textOrNull" || type === "numberOrNull";
  if (type === "number" || type === "numberOrNull") {
    return isSoundNumber(cell) && (index !== at.kind || kinds[cell] !== undefined);
  }
  if (typeof cell !== "string") return false;
  if (index === at.id) return seqOf(cell) === row[at.seq];
  // Results are an object, as the merge of results needs it.
  if (index === at.results) return /^\s*\{/.test(cell);
  return index !== at.status || namePattern.test(cell);
}

// SQLite refuses JSON that is nested more than 1,000 deep, which JavaScript takes.
function isJson(text: string): boolean {
  return jsonOf(text) !== undefined;
}

/** Makes what stands for a row that cannot be read: what it says of the order, as far as that can be read. */
function unreadableRow(row: RowOfCells): StoredOrder {
  const cell = (name: keyof typeof at): Cell => row[at[name]] ?? null;
  const text = (name: keyof typeof at): string | undefined => {
    const found = cell(name);
    return typeof found === "string" && isCell(row, at[name]) ? found : undefined;
  };
  const time = (name: keyof typeof at): number | null => {
    const found = cell(name);
    return isSoundNumber(found) ? found : null;
  };
  const failure = failureOf(text("failure") ?? null) ?? null;
  const fingerprint = row.length > read.at.fingerprint ? row[read.at.fingerprint] : null;
  const seq = cell("seq") as number;
  return unreadableOrder({
    id: idIn(cell("id"), seq),
    status: text("status"),
    kind: kinds[numberIn(cell("kind"))],
    visit: time("visit"),
    version: time("version"),
    attempts: time("attempts"),
    group: text("group_key"),
    createdAt: time("created_at"),
    updatedAt: time("updated_at"),
    expiresAt: time("expires_at"),
    failure,
    isFailed: fingerprint !== null,
    where: `row ${seq} of "orders"`,
    faults: faultsIn(row),
    bytes: storedColumns.flatMap(([name], index) => {
      // Neither the place in the queue nor a failure's mark belongs to what was damaged, and both may change.
      const isMark = name === "seq" || name === "redelivered" || (name === "failure" && failure !== null);
      return isMark || cell(name) === null ? [] : [[name, bytesIn(row[index] ?? null)] as const];
    }),
  });
}

function faultsIn(row: RowOfCells): string[] {
  const isRead: Readonly<Record<string, (text: string) => boolean>> = {
    data: isJson,
    results: isJson,
    entry: (text) => entryOf(jsonOf(text)) !== undefined,
    past: (text) => pastOf(text) !== undefined,
    failure: (text) => failureOf(text) !== undefined,
  };
  return storedColumns
    .filter(
      ([name], index) =>
        !isCell(row, index) || (row[index] !== null && !(isRead[name]?.(row[index] as string) ?? true)),
    )
    .map(([name]) => name);
}

function bytesIn(cell: Cell): Uint8Array {
  return cell instanceof Uint8Array ? cell : Buffer.from(String(cell));
}

function failureOf(text: string | null): Failure | null | undefined {
  if (text === null) return null;
  const failure = jsonOf(text);
  return isFailure(failure) ? failure : undefined;
}

/** Reads the visits that ended; undefined where one cannot be read. */
function pastOf(text: string): Visit[] | undefined {
  if (text === "") return [];
  const visits = jsonOf(`[${text}]`);
  if (!Array.isArray(visits)) return undefined;
  const past: Visit[] = [];
  for (const stored of visits as unknown[]) {
    const visit = Array.isArray(stored) ? visitOf(stored as StoredVisit) : undefined;
    if (visit === undefined) return undefined;
    past.push(visit);
  }
  return past;
}

function visitOf([status, visit, attempts, ...stored]: StoredVisit): Visit | undefined {
  const entry = entryOf(stored);
  const isRead =
    typeof status === "string" && namePattern.test(status) && isSoundNumber(visit) && isSoundNumber(attempts);
  return isRead && entry !== undefined ? { ...entry, status, visit, attempts } : undefined;
}

/** Reads an entry; undefined where it is not what `createEntryWriter` wrote. */
function entryOf(stored: unknown): Entry | undefined {
  if (!Array.isArray(stored)) return undefined;
  const [at, actor, reason = null, error = null, key] = stored as unknown as StoredEntry;
  if (!isSoundNumber(at) || !isTextOrNull(reason) || !isTextOrNull(error) || !isTextOrNull(key ?? null))
    return undefined;
  const by = actorOf(actor);
  if (by === undefined) return undefined;
  return key === undefined ? { at, reason, error, by } : { at, reason, error, by, key };
}

const runtimes: ReadonlySet<unknown> = new Set<Actor["runtime"]>(["node", "lambda", "pod"]);

function actorOf(stored: unknown): Actor | undefined {
  if (!Array.isArray(stored)) return undefined;
  const [runtime, name, requestId = null, messageId = null] = stored as unknown as StoredActor;
  const isRead =
    runtimes.has(runtime) && typeof name === "string" && isTextOrNull(requestId) && isTextOrNull(messageId);
  return isRead ? { runtime, name, requestId, messageId } : undefined;
}

function isTextOrNull(value: unknown): value is string | null {
  return value === null || typeof value === "string";
}
