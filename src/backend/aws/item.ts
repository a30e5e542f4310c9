import { hash, randomBytes } from "node:crypto";
import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import type { Actor, Entry, Failure, StatusKind, StoredOrder, Visit } from "../../core/order.ts";
import type { NewOrder } from "../port.ts";
import { isSoundNumber, unreadableStatus } from "../unreadable.ts";

export type Item = Record<string, AttributeValue>;

/**
 * The attributes of an order's item. DynamoDB counts the bytes of names too, so they are short. `id` and `part` are the
 * table's key, `ix` and `so` the key of the index; `projected` lists what the index holds beside them (docs/aws.md).
 */
export const attributes = {
  status: "st",
  kind: "ki",
  visit: "vi",
  updatedAt: "ua",
  notBefore: "nb",
  /** When the sweep looks at the order next: its delivery may be lost by then, or its wait is over. */
  due: "du",
  /** How many messages the sweep has sent in this visit. */
  swept: "sc",
  /** The name of the sweep's last mark, by which a repeat of that write recognises it. */
  sweptBy: "sb",
  group: "gr",
  failureFingerprint: "fp",
  failureMessage: "fm",
  failureAt: "fa",
  version: "ve",
  attempts: "at",
  attempting: "ag",
  data: "da",
  /** The name of the item that holds the data. */
  dataPart: "dp",
  results: "re",
  /** The name of the item that holds the results. */
  resultsPart: "rp",
  extras: "xt",
  /** The name of the item that holds the extras. */
  extrasPart: "xp",
  createdAt: "ca",
  expiresAt: "ex",
  failureCode: "fc",
  history: "hi",
  omitted: "om",
  keyHash: "kh",
  contentHash: "ch",
  /** The name of the order's last write, by which a repeat of that write recognises it. */
  nonce: "no",
  /** The message whose receives all ended in an orderly way, and how many they were. */
  seenMessage: "sm",
  seenReceives: "sn",
  /** Marks the id of a removed order: its idempotency key leads to the id, which no other order may get. */
  removed: "rm",
} as const;

/** The attributes that the index holds beside its own key and the table's. */
export const projected: readonly string[] = [
  ...["status", "kind", "visit", "updatedAt", "notBefore", "due", "swept", "group"],
  ...["failureFingerprint", "failureMessage", "failureAt"],
].map((name) => attributes[name as keyof typeof attributes]);

export const indexName = "standing";
/** When DynamoDB deletes an item that holds a large field of no order, in seconds since 1970. */
export const timeToLiveAttribute = "tl";
export const orderPart = "o";

/** What each write of an item sets beside the order's own fields. */
export interface Marks {
  /** The name of the write. */
  readonly nonce: string;
  /** The index's partition. */
  readonly partition: string;
  readonly due: number | null;
  readonly seen: Seen | null;
  /** The item that holds the results, null for the order's own. */
  readonly resultsPart: string | null;
  /** The item that holds the extras, null for the order's own, undefined where the write does not change the extras. */
  readonly extrasPart: string | null | undefined;
}

/** A message whose receives all ended in an orderly way, and how many they were. */
export interface Seen {
  readonly messageId: string | null;
  readonly receives: number;
}

const kinds: Readonly<Record<StatusKind, string>> = { handled: "h", waiting: "w", final: "f" };
const kindsByLetter: Readonly<Record<string, StatusKind>> = { h: "handled", w: "waiting", f: "final" };

/** Decodes a kind; undefined for a text that is none. */
export function kindOf(letter: string | null): StatusKind | undefined {
  return letter !== null && Object.hasOwn(kindsByLetter, letter) ? kindsByLetter[letter] : undefined;
}

const a = attributes;

/** Encodes what never changes of an order and is written when the order is placed. */
export function encodeFixed(order: StoredOrder, key: NewOrder["key"], dataPart: string | null): Item {
  return present({
    id: { S: order.id },
    part: { S: orderPart },
    so: { S: sortOf(order) },
    [a.group]: text(order.group),
    [a.createdAt]: number(order.createdAt),
    [a.data]: dataPart === null ? text(order.dataJson) : undefined,
    [a.dataPart]: text(dataPart),
    [a.keyHash]: key === null ? undefined : { B: Buffer.from(key.keyHash, "hex") },
    [a.contentHash]: key === null ? undefined : { B: Buffer.from(key.contentHash, "hex") },
  });
}

/** Encodes what every write of an order sets; an attribute that the write removes is undefined. */
export function encodeChanging(order: StoredOrder, marks: Marks): Record<string, AttributeValue | undefined> {
  const { failure } = order;
  const { extrasPart } = marks;
  const inline = marks.resultsPart === null && order.resultsJson !== "{}";
  // A write that does not change the extras does not name them. So an order without extras is written as it was before
  // extras existed, and large extras are written once.
  const extras =
    extrasPart === undefined
      ? {}
      : { [a.extras]: extrasPart === null ? text(order.extrasJson) : undefined, [a.extrasPart]: text(extrasPart) };
  return {
    ix: { S: marks.partition },
    [a.status]: { S: order.status },
    [a.kind]: { S: kinds[order.kind] },
    [a.visit]: number(order.visit),
    [a.updatedAt]: number(order.updatedAt),
    [a.notBefore]: number(order.notBefore),
    [a.due]: number(marks.due),
    [a.swept]: undefined,
    [a.sweptBy]: undefined,
    [a.failureFingerprint]: text(failure?.fingerprint ?? null),
    [a.failureMessage]: text(failure?.message ?? null),
    [a.failureAt]: number(failure?.at ?? null),
    [a.failureCode]: text(failure?.code ?? null),
    [a.version]: number(order.version),
    [a.attempts]: number(order.attempts),
    [a.attempting]: order.attempting ? { BOOL: true } : undefined,
    [a.results]: inline ? text(order.resultsJson) : undefined,
    [a.resultsPart]: text(marks.resultsPart),
    [a.expiresAt]: number(order.expiresAt),
    [a.history]: text(encodeHistory(order)),
    [a.omitted]: order.pastOmitted > 0 ? number(order.pastOmitted) : undefined,
    [a.nonce]: text(marks.nonce),
    [a.seenMessage]: text(marks.seen?.messageId ?? null),
    [a.seenReceives]: number(marks.seen?.receives ?? null),
    ...extras,
  };
}

/** Makes an update that sets the attributes that have a value and removes those that are undefined. */
export function settingAll(changing: Record<string, AttributeValue | undefined>) {
  const names = Object.keys(changing);
  const kept = names.filter((name) => changing[name] !== undefined);
  const removed = names.filter((name) => changing[name] === undefined).map((name) => `#${name}`);
  const set = `SET ${kept.map((name) => `#${name} = :${name}`).join(", ")}`;
  return {
    UpdateExpression: removed.length === 0 ? set : `${set} REMOVE ${removed.join(", ")}`,
    ExpressionAttributeNames: Object.fromEntries(names.map((name) => [`#${name}`, name])),
    ExpressionAttributeValues: Object.fromEntries(kept.map((name) => [`:${name}`, changing[name] as AttributeValue])),
  };
}

export function present(item: Record<string, AttributeValue | undefined>): Item {
  return Object.fromEntries(Object.entries(item).filter(([, value]) => value !== undefined)) as Item;
}

function text(value: string | null): AttributeValue | undefined {
  return value === null ? undefined : { S: value };
}

function number(value: number | null): AttributeValue | undefined {
  return value === null ? undefined : { N: String(value) };
}

/** The names of the items that hold the order's large fields; null for a field that stands in the order's own. */
export function largeFieldNames(
  item: Item,
): Readonly<Record<"dataPart" | "resultsPart" | "extrasPart", string | null>> {
  return {
    dataPart: textOf(item, a.dataPart),
    resultsPart: textOf(item, a.resultsPart),
    extrasPart: textOf(item, a.extrasPart),
  };
}

/** The texts of an order's large fields; undefined for a field that stands in the order's own item. */
export interface LargeFields {
  readonly data?: string | undefined;
  readonly results?: string | undefined;
  readonly extras?: string | undefined;
}

export function decodeOrder(item: Item, large: LargeFields): StoredOrder {
  const createdAt = numberOf(item, a.createdAt) as number;
  const failure = failureOf(item);
  return {
    ...indexedOf(item),
    version: numberOf(item, a.version) as number,
    attempts: numberOf(item, a.attempts) as number,
    attempting: item[a.attempting]?.BOOL === true,
    dataJson: large.data ?? (textOf(item, a.data) as string),
    resultsJson: large.results ?? textOf(item, a.results) ?? "{}",
    group: textOf(item, a.group),
    createdAt,
    expiresAt: numberOf(item, a.expiresAt),
    failure: failure === null ? null : { code: textOf(item, a.failureCode) as string, ...failure },
    ...decodeHistory(textOf(item, a.history) as string, createdAt),
    pastOmitted: numberOf(item, a.omitted) ?? 0,
    extrasJson: large.extras ?? textOf(item, a.extras),
  };
}

/**
 * An entry of the index, by which lists, the sweep and the counts find orders. Where an attribute cannot be read, its
 * field has a value that stands for none.
 */
export interface IndexEntry extends Pick<StoredOrder, "id" | "status" | "kind" | "visit" | "updatedAt" | "notBefore"> {
  readonly sort: string;
  readonly due: number | null;
  readonly failure: Omit<Failure, "code"> | null;
}

export function decodeIndexEntry(item: Item): IndexEntry {
  return {
    ...indexedOf(item),
    sort: textOf(item, "so") as string,
    due: soundNumberOf(item, a.due),
    failure: failureOf(item),
  };
}

/** Reads the fields of an order that the index holds, too. */
function indexedOf(item: Item) {
  return {
    id: textOf(item, "id") as string,
    status: textOf(item, a.status) ?? unreadableStatus,
    kind: kindOf(textOf(item, a.kind)) ?? "handled",
    visit: soundNumberOf(item, a.visit) ?? 0,
    updatedAt: soundNumberOf(item, a.updatedAt) ?? 0,
    notBefore: soundNumberOf(item, a.notBefore),
  };
}

/** Reads what the index, too, holds of a failure. */
function failureOf(item: Item): Omit<Failure, "code"> | null {
  if (item[a.failureAt] === undefined) return null;
  const fingerprint = textOf(item, a.failureFingerprint) ?? "";
  return { message: textOf(item, a.failureMessage) ?? "", fingerprint, at: soundNumberOf(item, a.failureAt) ?? 0 };
}

/** Draws the name of one write. */
export function newNonce(): string {
  return randomBytes(9).toString("base64url");
}

export function textOf(item: Item, name: string): string | null {
  return item[name]?.S ?? null;
}

export function numberOf(item: Item, name: string): number | null {
  const text = item[name]?.N;
  return text === undefined ? null : Number(text);
}

/** A number that a date can hold; null for any other value. */
export function soundNumberOf(item: Item, name: string): number | null {
  const value = numberOf(item, name);
  return isSoundNumber(value) ? value : null;
}

export function hexOf(item: Item, name: string): string | null {
  const bytes = item[name]?.B;
  return bytes === undefined ? null : Buffer.from(bytes).toString("hex");
}

/** The sort key of an order in the index: by the time of placing, then by id. It never changes. */
export function sortOf({ createdAt, id }: Pick<StoredOrder, "createdAt" | "id">): string {
  return `${sortBefore(createdAt)}${id}`;
}

/** A key that sorts behind all orders that were placed before this time, and before all others. */
export function sortBefore(at: number): string {
  return String(at).padStart(15, "0");
}

/** A regular expression of one sort key, for cursors that hold one. */
export const sortPattern = "\\d{15}[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}";

/** Which of `shards` shards an order belongs to. It never changes while their number stays. */
export function shardOf(id: string, shards: number): number {
  return Number.parseInt(hash("sha256", id).slice(0, 8), 16) % shards;
}

export const idPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Formats the first 16 bytes as a UUID. */
export function uuidOf(bytes: Buffer): string {
  return bytes.toString("hex", 0, 16).replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** A row of the history. What is empty at its end is left out. */
type Row = readonly (string | number | null)[];

const runtimes: readonly Actor["runtime"][] = ["node", "lambda", "pod"];

/**
 * Encodes an order's history as text. The text is short, so that an order of four statuses stays within one write unit
 * of DynamoDB: names of processes stand once, UUIDs take 22 characters, times are milliseconds since the placing.
 */
export function encodeHistory({ entry, past, createdAt }: Pick<StoredOrder, "entry" | "past" | "createdAt">): string {
  const names: string[] = [];
  const rowOf = (each: Entry, visit: readonly (string | number)[]): Row => {
    const { runtime, name, requestId, messageId } = each.by;
    let index = names.indexOf(name);
    if (index < 0) index = names.push(name) - 1;
    const by = runtimes.indexOf(runtime) + index * runtimes.length;
    const row = [each.at - createdAt, by, ...visit, pack(requestId), pack(messageId)];
    row.push(each.reason, each.error, each.key ?? null);
    while (row.at(-1) === null) row.pop();
    return row;
  };
  const rows = [rowOf(entry, []), ...past.map((visit) => rowOf(visit, [visit.status, visit.visit, visit.attempts]))];
  return JSON.stringify([names, ...rows]);
}

export function decodeHistory(text: string, createdAt: number): Pick<StoredOrder, "entry" | "past"> {
  const [names, first, ...others] = JSON.parse(text) as [string[], Row, ...Row[]];
  const entryOf = (row: Row, skip: number): Entry => {
    const by = Number(row[1]);
    const [requestId = null, messageId = null, reason = null, error = null, key = null] = row.slice(2 + skip);
    const entry = {
      at: createdAt + Number(row[0]),
      reason: reason as string | null,
      error: error as string | null,
      by: {
        runtime: runtimes[by % runtimes.length] as Actor["runtime"],
        name: names[Math.floor(by / runtimes.length)] as string,
        requestId: unpack(requestId),
        messageId: unpack(messageId),
      },
    };
    return key === null ? entry : { ...entry, key: key as string };
  };
  const past = others.map((row): Visit => {
    const [status, visit, attempts] = row.slice(2, 5) as [string, number, number];
    return { ...entryOf(row, 3), status, visit, attempts };
  });
  return { entry: entryOf(first, 0), past };
}

/** Writes a UUID as a tilde and 22 characters. Any other text stays as it is; one that begins with a tilde gets a second one. */
function pack(id: string | null): string | null {
  if (id === null) return null;
  if (idPattern.test(id)) return `~${Buffer.from(id.replaceAll("-", ""), "hex").toString("base64url")}`;
  return id.startsWith("~") ? `~${id}` : id;
}

function unpack(packed: string | number | null): string | null {
  if (packed === null) return null;
  const text = String(packed);
  if (!text.startsWith("~")) return text;
  return text.startsWith("~~") ? text.slice(1) : uuidOf(Buffer.from(text.slice(1), "base64url"));
}
