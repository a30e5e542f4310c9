import type { Actor, Entry, Failure, StatusKind, StoredOrder, Visit } from "../../../core/order.ts";
import { type Decoder, detached, type Encoder } from "./codec.ts";

/** The columns that make a `StoredOrder`, in the order of `Row`; `redelivered` is for deliveries. */
export const columns =
  "o.id, o.status, o.kind, o.visit, o.version, o.attempts, o.attempting, d.data, o.results, o.group_key, o.created_at, " +
  "o.updated_at, o.not_before, o.expires_at, o.failure, o.entry, o.past, o.past_omitted, o.seq, o.redelivered, o.extras";

export type Row = [
  id: string,
  status: string,
  kind: number,
  visit: number,
  version: number,
  attempts: number,
  attempting: number,
  data: string,
  results: string,
  group: string | null,
  createdAt: number,
  updatedAt: number,
  notBefore: number | null,
  expiresAt: number | null,
  failure: string | null,
  entry: string,
  past: string,
  pastOmitted: number,
  seq: number,
  redelivered: number,
  extras: string | null,
];

export const rowLength = 21;
/** On a row's way to the front: added to `redelivered` where the row has extras, which then come behind it. */
const withExtras = 4;

const kinds: readonly StatusKind[] = ["handled", "waiting", "final"];

export function orderOfRow(row: Row): StoredOrder {
  const failure = row[14];
  return {
    id: row[0],
    status: row[1],
    kind: kinds[row[2]] as StatusKind,
    visit: row[3],
    version: row[4],
    attempts: row[5],
    attempting: row[6] === 1,
    dataJson: row[7],
    resultsJson: row[8],
    group: row[9] === null ? null : detached(row[9]),
    createdAt: row[10],
    updatedAt: row[11],
    notBefore: row[12],
    expiresAt: row[13],
    failure: failure === null ? null : (JSON.parse(failure) as Failure),
    entry: entryOf(JSON.parse(row[15]) as StoredEntry),
    past: row[16] === "" ? [] : (JSON.parse(`[${row[16]}]`) as StoredVisit[]).map(visitOf),
    pastOmitted: row[17],
    extrasJson: row[20],
  };
}

export function encodeRow(to: Encoder, row: Row): void {
  for (let place = 0; place < 19; place++) {
    const field = row[place] as string | number | null;
    if (typeof field === "string") to.text(field);
    else to.number(field);
  }
  // A row without extras, as nearly every row is, takes no more than it did before there were any.
  const [redelivered, extras] = [row[19], row[20]];
  to.number(extras === null ? redelivered : redelivered + withExtras);
  if (extras !== null) to.text(extras);
}

/** The fields come as they were written: which may be text and null is known by their place. */
export function decodeRow(from: Decoder): Row {
  const row: Row = [
    detached(from.text()),
    from.text(),
    from.number(),
    from.number(),
    from.number(),
    from.number(),
    from.number(),
    from.text(),
    from.text(),
    from.textOrNull(),
    from.number(),
    from.number(),
    from.numberOrNull(),
    from.numberOrNull(),
    from.textOrNull(),
    from.text(),
    from.text(),
    from.number(),
    from.number(),
    from.number(),
    null,
  ];
  if (row[19] >= withExtras) {
    row[19] -= withExtras;
    row[20] = from.text();
  }
  return row;
}

/**
 * How entries and visits lie in the store: arrays, without the nulls at their end. A row is rewritten by every transition and
 * carries its past, so its length counts: as objects with their keys they made rows of more than twice the size.
 */
type StoredActor = [runtime: Actor["runtime"], name: string, requestId?: string | null, messageId?: string | null];
type StoredEntry = [at: number, by: StoredActor, reason?: string | null, error?: string | null, key?: string];
type StoredVisit = [status: string, visit: number, attempts: number, ...entry: StoredEntry];

function entryOf([
  at,
  [runtime, name, requestId = null, messageId = null],
  reason = null,
  error = null,
  key,
]: StoredEntry): Entry {
  const by: Actor = { runtime, name, requestId, messageId };
  return key === undefined ? { at, reason, error, by } : { at, reason, error, by, key };
}

function visitOf([status, visit, attempts, ...entry]: StoredVisit): Visit {
  return { ...entryOf(entry), status, visit, attempts };
}

function storedActor({ runtime, name, requestId, messageId }: Actor): StoredActor {
  if (messageId !== null) return [runtime, name, requestId, messageId];
  return requestId === null ? [runtime, name] : [runtime, name, requestId];
}

const actorsKept = 4;

/**
 * Entries and visits as the store's JSON. Two are written for every transition, and nearly all name the same few actors (the
 * objects that the engine made once), so the JSON of the last few is kept.
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

export type EntryWriter = ReturnType<typeof createEntryWriter>;
