/** An order as rows of `orders` and `order_data`, and on its way there and back: each column stands here once. */
import type { Change } from "../../../core/decide.ts";
import type { Actor, Entry, StoredOrder, Visit } from "../../../core/order.ts";
import type { NewOrder } from "../../port.ts";
import { kindNumber } from "../schema.ts";
import { type Decoder, detached, type Encoder, type FieldValue } from "./codec.ts";
import { deliveryCode, op } from "./protocol.ts";

interface Types {
  readonly text: string;
  readonly textOrNull: string | null;
  readonly number: number;
  readonly numberOrNull: number | null;
}

/** A column's name, and the type of its values. */
type Column = readonly [name: string, type: keyof Types, ...more: readonly unknown[]];

/** A column that a write sets, and what it holds of the write's source. */
type Written<Source> = {
  [Type in keyof Types]: readonly [name: string, type: Type, of: (source: Source, json: EntryWriter) => Types[Type]];
}[keyof Types];

/** The values of columns, in the order of the columns. */
type Values<Columns extends readonly Column[]> = {
  -readonly [Index in keyof Columns]: Types[Columns[Index][1]];
};

/** The index of each column, by the column's name. */
type Indexes<Columns extends readonly Column[]> = {
  readonly [Index in keyof Columns & `${number}` as Columns[Index] extends Column
    ? Columns[Index][0]
    : never]: Index extends `${infer Digits extends number}` ? Digits : never;
};

/** Columns by name, in the order in which a batch carries their values and a statement takes or gives them. */
export function columnSet<const Columns extends readonly Column[]>(columns: Columns) {
  const names = columns.map(([name]) => name);
  const areText = columns.map(([, type]) => type === "text" || type === "textOrNull");
  return {
    names,
    at: Object.fromEntries(names.map((name, index) => [name, index])) as Indexes<Columns>,
    decode: (from: Decoder) => from.values(areText) as Values<Columns>,
  };
}

/** The values of a set's columns. */
export type RowOf<Set extends { readonly decode: (from: Decoder) => unknown }> = ReturnType<Set["decode"]>;

export const storedColumns = [
  ["id", "text"],
  ["status", "text"],
  ["kind", "number"],
  ["visit", "number"],
  ["version", "number"],
  ["attempts", "number"],
  ["attempting", "number"],
  ["data", "text"],
  ["results", "text"],
  ["group_key", "textOrNull"],
  ["created_at", "number"],
  ["updated_at", "number"],
  ["not_before", "numberOrNull"],
  ["expires_at", "numberOrNull"],
  ["failure", "textOrNull"],
  ["entry", "text"],
  ["past", "text"],
  ["past_omitted", "number"],
  ["seq", "number"],
  ["redelivered", "number"],
  ["extras", "textOrNull"],
] as const satisfies readonly Column[];

/** The columns that make a `StoredOrder`, its key, and why it is delivered again. */
export const stored = columnSet(storedColumns);
export type StoredRow = RowOf<typeof stored>;

/** What a statement reads beside the stored columns. It stays on the side that reads. */
const readColumns = [...storedColumns, ["fingerprint", "textOrNull"], ["is_json", "numberOrNull"]] as const;
/** A stored row as a statement gives it: `readRow.ts` checks it. */
export const read = columnSet(readColumns);
export type ReadRow = RowOf<typeof read>;

/** A row that is queued, with its position and its group. */
export const queued = columnSet([...readColumns, ["position", "number"], ["lane", "textOrNull"]]);
export type QueuedRow = RowOf<typeof queued>;

const placedColumns = [
  ["id", "text", ({ id }) => id],
  ["status", "text", ({ status }) => status],
  ["kind", "number", ({ kind }) => kindNumber[kind]],
  ["group_key", "textOrNull", ({ group }) => group],
  ["created_at", "number", ({ createdAt }) => createdAt],
  ["updated_at", "number", ({ updatedAt }) => updatedAt],
  ["expires_at", "numberOrNull", ({ expiresAt }) => expiresAt],
  ["entry", "text", ({ entry }, json) => json.entry(entry)],
] as const satisfies readonly Written<StoredOrder>[];

/** What a placing sets of a row; the other columns begin alike in every order. */
export const placed = columnSet(placedColumns);

const transitionColumns = [
  ["status", "text", ({ after }) => after.status],
  ["kind", "number", ({ after }) => kindNumber[after.kind]],
  ["visit", "number", ({ after }) => after.visit],
  ["version", "number", ({ after }) => after.version],
  ["updated_at", "number", ({ after }) => after.updatedAt],
  ["entry", "text", ({ after }, json) => json.entry(after.entry)],
  // The visit that ended, to append to the stored ones; or all of them, once visits have been left out.
  ["past", "text", pastOf],
  // Null leaves the stored ones.
  [
    "results",
    "textOrNull",
    ({ before, after }) => (after.resultsJson === before.resultsJson ? null : after.resultsJson),
  ],
] as const satisfies readonly Written<Change>[];

/** The other columns that a change sets, each with the value that it has before and after a plain transition. */
const otherColumns = [
  ["attempts", "number", ({ after }) => after.attempts, 0],
  ["attempting", "number", ({ after }) => (after.attempting ? 1 : 0), 0],
  ["not_before", "numberOrNull", ({ after }) => after.notBefore, null],
  ["expires_at", "numberOrNull", ({ after }) => after.expiresAt, null],
  ["fingerprint", "textOrNull", ({ after }) => after.failure?.fingerprint ?? null, null],
  ["failed_status", "textOrNull", ({ after }) => (after.failure === null ? null : after.status), null],
  ["failure", "textOrNull", ({ after }) => after.failure && JSON.stringify(after.failure), null],
  ["past_omitted", "number", ({ after }) => after.pastOmitted, 0],
] as const satisfies readonly (readonly [...Written<Change>, plain: FieldValue])[];

/** What a transition sets that leaves nothing behind but the new status. */
export const transition = columnSet(transitionColumns);
/** What any other change sets. */
export const change = columnSet([...transitionColumns, ...otherColumns]);
/** What a transition sets of the columns that only `change` has. */
export const plainValues = otherColumns.map(([, , , plain]) => plain);

// SQLite checks JSON in a third of the time in which JavaScript parses it. Neither is done on the way of an order that
// is leased at once, since the front has its text.
const elsewhere: Readonly<Record<string, string>> = {
  data: "d.data",
  is_json: "json_valid(d.data) AND json_valid(o.results)",
};

/** The columns for a SELECT in which `orders` is `o` and `order_data` is `d`. */
export function selected({ names }: { readonly names: readonly string[] }): string {
  return names.map((name) => elsewhere[name] ?? `o.${name}`).join(", ");
}

/** Joins the data of each order, and keeps an order whose data is gone. */
export const withData = "LEFT JOIN order_data d ON d.seq = o.seq";

/** A SELECT of the stored columns of one key as bytes, whatever they hold. */
export const bytesBySeq = `SELECT ${storedColumns.map(([name]) => `CAST(${elsewhere[name] ?? `o.${name}`} AS BLOB)`)}
  FROM orders o ${withData} WHERE o.seq = ?`;

const placedValues = placedColumns.map(([, , of]) => of);
const transitionValues = transitionColumns.map(([, , of]) => of);
const otherValues = otherColumns.map(([, , of]) => of);

/** Writes a placing of this order, for `place` of the writer to read. */
export function encodePlace(
  to: Encoder,
  json: EntryWriter,
  seq: number,
  order: StoredOrder,
  key: NewOrder["key"],
): void {
  const { extrasJson } = order;
  to.number(extrasJson === null ? op.place : op.placeWithExtras);
  to.number(seq);
  for (const of of placedValues) to.value(of(order, json));
  to.text(order.dataJson);
  to.text(key?.keyHash ?? null);
  to.text(key?.contentHash ?? "");
  if (extrasJson !== null) to.text(extrasJson);
}

/** Writes a change, for `commit` of the writer to read. The id is null where the front knows that `seq` is its order's. */
export function encodeCommit(to: Encoder, json: EntryWriter, seq: number, id: string | null, change: Change): void {
  const { before, after, delivery } = change;
  const sameExtras = after.extrasJson === before.extrasJson;
  const plain = isPlain(change);
  if (plain) to.number(sameExtras ? op.transition : op.transitionWithExtras);
  else to.number(sameExtras ? op.change : op.changeWithExtras);
  to.number(seq);
  to.text(id);
  to.number(deliveryCode[delivery]);
  for (const of of transitionValues) to.value(of(change, json));
  if (!plain) {
    for (const of of otherValues) to.value(of(change));
    to.number(isCut(change) ? 1 : 0);
  }
  if (!sameExtras) to.text(after.extrasJson);
}

function isPlain(change: Change): boolean {
  if (change.delivery !== "enter" && change.delivery !== "end") return false;
  return otherValues.every((of, index) => of(change) === plainValues[index]);
}

function isCut({ before, after }: Change): boolean {
  return after.pastOmitted > before.pastOmitted;
}

function pastOf(change: Change, json: EntryWriter): string {
  const { before, after, ended } = change;
  if (isCut(change)) return after.past.map(json.visit).join(",");
  return ended === null ? "" : (before.past.length > 0 ? "," : "") + json.visit(ended);
}

/** Writes the columns of `stored`, for `decodeStored` to read. */
export function encodeStored(to: Encoder, row: StoredRow | ReadRow | QueuedRow): void {
  for (let index = 0; index < storedColumns.length; index++) to.value(row[index] as FieldValue);
}

/** How many characters a row adds to a batch. */
export function textLengthOf(row: ReadRow | QueuedRow): number {
  let length = 0;
  for (let index = 0; index < storedColumns.length; index++) {
    const value = row[index] as FieldValue;
    if (typeof value === "string") length += value.length;
  }
  return length;
}

export function decodeStored(from: Decoder): StoredRow {
  const row = stored.decode(from);
  row[stored.at.id] = detached(row[stored.at.id]);
  return row;
}

/**
 * How entries and visits lie in the store: as arrays, without the nulls at their end. A row is rewritten by every
 * transition and carries its past, so its length counts: as objects with keys they made rows of over twice the size.
 */
export type StoredActor = [
  runtime: Actor["runtime"],
  name: string,
  requestId?: string | null,
  messageId?: string | null,
];
export type StoredEntry = [at: number, by: StoredActor, reason?: string | null, error?: string | null, key?: string];
export type StoredVisit = [status: string, visit: number, attempts: number, ...entry: StoredEntry];

function storedActor({ runtime, name, requestId, messageId }: Actor): StoredActor {
  if (messageId !== null) return [runtime, name, requestId, messageId];
  return requestId === null ? [runtime, name] : [runtime, name, requestId];
}

const actorsKept = 4;

/**
 * Writes entries and visits as the store's JSON. Every transition writes two, and nearly all name the same few actors,
 * the objects that the engine made once. So the JSON of the last few actors is kept.
 */
export function createEntryWriter() {
  const recent: { readonly actor: Actor; readonly json: string }[] = [];
  let oldest = 0;
  const actorJson = (actor: Actor): string => {
    for (const each of recent) if (each.actor === actor) return each.json;
    const json = JSON.stringify(storedActor(actor));
    recent[oldest] = { actor, json };
    oldest = (oldest + 1) % actorsKept;
    return json;
  };
  const fields = ({ at, reason, error, by, key }: Entry): string => {
    const start = `${at},${actorJson(by)}`;
    if (key !== undefined) return `${start},${JSON.stringify(reason)},${JSON.stringify(error)},${JSON.stringify(key)}`;
    if (error !== null) return `${start},${JSON.stringify(reason)},${JSON.stringify(error)}`;
    return reason === null ? start : `${start},${JSON.stringify(reason)}`;
  };
  return {
    entry: (entry: Entry): string => `[${fields(entry)}]`,
    // A status's name has nothing that JSON escapes.
    visit: (visit: Visit): string => `["${visit.status}",${visit.visit},${visit.attempts},${fields(visit)}]`,
  };
}

type EntryWriter = ReturnType<typeof createEntryWriter>;
