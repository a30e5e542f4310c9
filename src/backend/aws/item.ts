import { hash, randomBytes } from "node:crypto";
import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import type { Actor, Entry, Failure, StatusKind, StoredOrder, Visit } from "../../core/order.ts";
import type { NewOrder } from "../port.ts";

export type Item = Record<string, AttributeValue>;

/**
 * The attributes of an order's item. DynamoDB counts names too, so they are short: `id` and `part` are the table's key,
 * `ix` and `so` the index's; those from `st` to `so` are what the index projects (docs/aws.md).
 */
export const attributes = {
  status: "st",
  kind: "ki",
  visit: "vi",
  updatedAt: "ua",
  notBefore: "nb",
  /** When the sweep looks at it next: a delivery that may be lost, or a wait that expires. */
  due: "du",
  /** How many messages the sweep has added in this visit. */
  swept: "sc",
  /** Names the sweep's last mark, so that a repeat of it knows its own. */
  sweptBy: "sb",
  group: "gr",
  failureFingerprint: "fp",
  failureMessage: "fm",
  failureAt: "fa",
  version: "ve",
  attempts: "at",
  attempting: "ag",
  data: "da",
  /** Whether the data is an item of its own. */
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
  /** Names the write, so that a repeat of it knows its own. */
  nonce: "no",
  /** The queue's message whose receives are all accounted for, and how many they were. */
  seenMessage: "sm",
  seenReceives: "sn",
  /** A removed order's id is never given again, where its idempotency key would lead to it. */
  removed: "rm",
} as const;

/** What the index projects beside its keys and the table's. */
export const projected: readonly string[] = [
  ...["status", "kind", "visit", "updatedAt", "notBefore", "due", "swept", "group"],
  ...["failureFingerprint", "failureMessage", "failureAt"],
].map((name) => attributes[name as keyof typeof attributes]);

export const indexName = "standing";
/** Of parts that no order names: when DynamoDB takes them off, in seconds since 1970. */
export const timeToLiveAttribute = "tl";
export const orderPart = "o";

/** What an item holds beside its order and that changes with it. */
export interface Marks {
  /** Names the write. */
  readonly nonce: string;
  /** The index's partition. */
  readonly partition: string;
  readonly due: number | null;
  readonly seen: Seen | null;
  /** The item that holds the results, where they are too large for this one. */
  readonly resultsPart: string | null;
  /** Undefined where the write leaves the extras as they are; else the item that holds them, null for this one. */
  readonly extrasPart: string | null | undefined;
}

export interface Seen {
  readonly messageId: string;
  readonly receives: number;
}

const kinds: Readonly<Record<StatusKind, string>> = { handled: "h", waiting: "w", final: "f" };
const kindOf: Readonly<Record<string, StatusKind>> = { h: "handled", w: "waiting", f: "final" };

const a = attributes;

/** What never changes of an order: written when it is placed. */
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

/** What every write of an order sets anew; undefined for what it takes off. */
export function encodeChanging(order: StoredOrder, marks: Marks): Record<string, AttributeValue | undefined> {
  const { failure } = order;
  const { extrasPart } = marks;
  const inline = marks.resultsPart === null && order.resultsJson !== "{}";
  // A write that leaves the extras as they are does not name them: so an order without any has the updates that it had
  // before there were any, and large ones are paid for once.
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

/** An update that sets what is there and takes off what is undefined. */
export function settingAll(changing: Record<string, AttributeValue | undefined>) {
  const names = Object.keys(changing);
  const placeholders = (some: readonly string[]) => some.map((name) => `#${name}`);
  const kept = names.filter((name) => changing[name] !== undefined);
  const taken = names.filter((name) => changing[name] === undefined);
  const set = `SET ${kept.map((name) => `#${name} = :${name}`).join(", ")}`;
  return {
    UpdateExpression: taken.length === 0 ? set : `${set} REMOVE ${placeholders(taken).join(", ")}`,
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

/** The names of the items that hold what this one does not. */
export function partsOf(item: Item): Readonly<Record<"dataPart" | "resultsPart" | "extrasPart", string | null>> {
  return {
    dataPart: textOf(item, a.dataPart),
    resultsPart: textOf(item, a.resultsPart),
    extrasPart: textOf(item, a.extrasPart),
  };
}

/** What stands in items of its own; undefined for what stands in the order's. */
export interface Large {
  readonly data?: string | undefined;
  readonly results?: string | undefined;
  readonly extras?: string | undefined;
}

/** The order of an item; `large` holds what stands in items of their own. */
export function decodeOrder(item: Item, large: Large): StoredOrder {
  const createdAt = numberOf(item, a.createdAt) as number;
  const failure = failureOf(item);
  return {
    id: textOf(item, "id") as string,
    status: textOf(item, a.status) as string,
    kind: kindOf[textOf(item, a.kind) as string] as StatusKind,
    visit: numberOf(item, a.visit) as number,
    version: numberOf(item, a.version) as number,
    attempts: numberOf(item, a.attempts) as number,
    attempting: item[a.attempting]?.BOOL === true,
    dataJson: large.data ?? (textOf(item, a.data) as string),
    resultsJson: large.results ?? textOf(item, a.results) ?? "{}",
    group: textOf(item, a.group),
    createdAt,
    updatedAt: numberOf(item, a.updatedAt) as number,
    notBefore: numberOf(item, a.notBefore),
    expiresAt: numberOf(item, a.expiresAt),
    failure: failure === null ? null : { code: textOf(item, a.failureCode) as string, ...failure },
    ...decodeHistory(textOf(item, a.history) as string, createdAt),
    pastOmitted: numberOf(item, a.omitted) ?? 0,
    extrasJson: large.extras ?? textOf(item, a.extras),
  };
}

/** An entry of the index: what lists, sweep and counts go by. */
export interface IndexEntry {
  readonly id: string;
  readonly sort: string;
  readonly status: string;
  readonly kind: StatusKind;
  readonly visit: number;
  readonly updatedAt: number;
  readonly notBefore: number | null;
  readonly due: number | null;
  readonly failure: Omit<Failure, "code"> | null;
}

export function decodeIndexEntry(item: Item): IndexEntry {
  return {
    id: textOf(item, "id") as string,
    sort: textOf(item, "so") as string,
    status: textOf(item, a.status) as string,
    kind: kindOf[textOf(item, a.kind) as string] as StatusKind,
    visit: numberOf(item, a.visit) as number,
    updatedAt: numberOf(item, a.updatedAt) as number,
    notBefore: numberOf(item, a.notBefore),
    due: numberOf(item, a.due),
    failure: failureOf(item),
  };
}

/** What the index, too, tells of a failure. */
function failureOf(item: Item): Omit<Failure, "code"> | null {
  const at = numberOf(item, a.failureAt);
  if (at === null) return null;
  const fingerprint = textOf(item, a.failureFingerprint) as string;
  return { message: textOf(item, a.failureMessage) as string, fingerprint, at };
}

/** The name of one write. */
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

export function hexOf(item: Item, name: string): string | null {
  const bytes = item[name]?.B;
  return bytes === undefined ? null : Buffer.from(bytes).toString("hex");
}

/** Sorts by the time of placing, then by id; never changes. */
export function sortOf({ createdAt, id }: Pick<StoredOrder, "createdAt" | "id">): string {
  return `${sortBefore(createdAt)}${id}`;
}

/** A time as text that sorts by it: behind all that were placed before it, and before all that were placed then or later. */
export function sortBefore(at: number): string {
  return String(at).padStart(15, "0");
}

/** Which of so many shards an order belongs to; never changes for one count. */
export function shardOf(id: string, shards: number): number {
  return Number.parseInt(hash("sha256", id).slice(0, 8), 16) % shards;
}

/**
 * An order's history as text, short enough that an order of four statuses stays within one write unit of DynamoDB:
 * names of processes stand once, UUIDs as 22 characters, times as milliseconds since placing, and what is empty at the
 * end of an entry is left out.
 */
type Row = readonly (string | number | null)[];

const runtimes: readonly Actor["runtime"][] = ["node", "lambda", "pod"];
const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

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

/** A UUID as 22 characters behind a tilde; other text as it is, with a tilde doubled where it begins with one. */
function pack(id: string | null): string | null {
  if (id === null) return null;
  if (uuidPattern.test(id)) return `~${Buffer.from(id.replaceAll("-", ""), "hex").toString("base64url")}`;
  return id.startsWith("~") ? `~${id}` : id;
}

function unpack(packed: string | number | null): string | null {
  if (packed === null) return null;
  const text = String(packed);
  if (!text.startsWith("~")) return text;
  if (text.startsWith("~~")) return text.slice(1);
  const hex = Buffer.from(text.slice(1), "base64url").toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
