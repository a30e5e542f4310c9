import type { Entry, Failure, StatusKind, StoredOrder, Visit } from "../../core/order.ts";

/** The columns that make a `StoredOrder`, in the order of `Row`. `redelivered` comes last, for deliveries. */
export const columns =
  "o.id, o.status, o.kind, o.visit, o.version, o.attempts, o.attempting, d.data, o.results, o.group_key, o.created_at, " +
  "o.updated_at, o.not_before, o.expires_at, o.failure, o.entry, o.past, o.past_omitted, o.seq, o.redelivered";

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
];

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
    group: row[9],
    createdAt: row[10],
    updatedAt: row[11],
    notBefore: row[12],
    expiresAt: row[13],
    failure: failure === null ? null : (JSON.parse(failure) as Failure),
    entry: JSON.parse(row[15]) as Entry,
    past: row[16] === "" ? [] : (JSON.parse(`[${row[16]}]`) as Visit[]),
    pastOmitted: row[17],
  };
}
