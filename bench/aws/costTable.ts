/** Computes what a million orders cost on AWS by the size of their data and the number of their statuses. Runs none. */
import { encodeChanging, encodeFixed, present, projected } from "../../src/backend/aws/item.ts";
import { inlineBytesMax } from "../../src/backend/aws/largeFields.ts";
import type { Actor, StoredOrder, Visit } from "../../src/core/order.ts";
import { assumed, dollarsPerMillion, monthly, prices, sweepUnits, type Usage } from "./prices.ts";
import { type Item, indexUnits, itemBytes, readUnits, tableUnits } from "./units.ts";

export interface Shape {
  readonly dataBytes: number;
  /** The number of handled statuses. A final status follows them. */
  readonly statuses: number;
  /** How many messages an invocation takes. */
  readonly batch: number;
}

/** Counts what one order of a shape takes, without retries and sweeps. */
export interface Computed extends Usage {
  readonly tableWrites: number;
  readonly itemsRead: number;
  /** The order's item after each write. */
  readonly itemBytes: readonly number[];
}

const names = ["received", "approved", "paid", "packed", "labelled", "sent"];
export const sizes = [
  { title: "0.2 KB", dataBytes: 196 },
  { title: "1 KB", dataBytes: 1_024 },
  { title: "4 KB", dataBytes: 4_096 },
  { title: "16 KB", dataBytes: 16_384 },
];
export const fullBatch = 10;
const indexShape = { keys: ["ix", "so"], projected: ["id", "part", "ix", "so", ...projected] };
const id = "01234567-89ab-8cde-8f01-23456789abcd";
const nonce = "abcdefghijkl";
const at = 1_795_000_000_123;

export function computeOrder({ dataBytes, statuses, batch }: Shape): Computed {
  const apart = dataBytes > inlineBytesMax;
  const dataJson = "x".repeat(dataBytes);
  const items = Array.from({ length: statuses + 1 }, (_, transitions) =>
    itemAfter(transitions, statuses, dataJson, apart),
  );
  const before = (write: number) => items[write - 1];
  const written = sum(items.map((item, write) => tableUnits(before(write), item)));
  const indexed = sum(items.map((item, write) => indexUnits(before(write), item, indexShape)));
  const part: Item = { id: { S: id }, part: { S: `d-${nonce}` }, te: { S: dataJson } };
  // The note before the part, the part itself, and the removal of the note.
  const partUnits = apart ? 2 + tableUnits(undefined, part) : 0;
  // Each handled status reads the order as the write before left it, and its data.
  const read = sum(items.slice(0, -1).map((item) => readUnits(itemBytes(item))));
  const invocations = statuses / batch;
  return {
    httpRequests: 1,
    requestInvocations: 1,
    processingInvocations: invocations,
    writeUnits: written + indexed + partUnits,
    readUnits: read + (apart ? statuses * readUnits(itemBytes(part)) : 0),
    // The last transition publishes nothing.
    snsRequests: 1 + (statuses - 1) / batch,
    // The event source makes a receive and a delete for each batch.
    sqsRequests: 2 * invocations,
    tableWrites: statuses + 1 + (apart ? 3 : 0),
    itemsRead: statuses * (apart ? 2 : 1),
    itemBytes: items.map(itemBytes),
  };
}

/** Builds the order's item after a number of transitions, with the code that builds it in production. */
function itemAfter(transitions: number, statuses: number, dataJson: string, apart: boolean): Item {
  const by = (transition: number): Actor => ({
    runtime: "lambda",
    name: transition === 0 ? "orders-request-prod" : "orders-processing-prod",
    requestId: transition === 0 ? "JKJaXmPLvHcESHA=" : "f91eaaf9-309b-469d-b822-7c18330cf2b4",
    messageId: transition === 0 ? null : "5fea7756-0ea4-451a-a703-a558b933e274",
  });
  const entry = (transition: number) => ({ at: at + 100 * transition, reason: null, error: null, by: by(transition) });
  const status = (transition: number) => (transition === statuses ? "shipped" : (names[transition] as string));
  const past = Array.from(
    { length: transitions },
    (_, transition): Visit => ({ ...entry(transition), status: status(transition), visit: transition, attempts: 1 }),
  );
  const ended = transitions === statuses;
  const order: StoredOrder = {
    ...{
      id,
      status: status(transitions),
      kind: ended ? "final" : "handled",
      visit: transitions,
      version: transitions + 1,
    },
    ...{ attempts: 0, attempting: false, dataJson, resultsJson: "{}", group: null },
    ...{ createdAt: at, updatedAt: at + 100 * transitions, notBefore: null, expiresAt: null, failure: null },
    ...{ entry: entry(transitions), past, pastOmitted: 0, extrasJson: null },
  };
  const key = { keyHash: "ab".repeat(32), contentHash: "cd".repeat(32) };
  const marks = { partition: ended ? "e#shipped#3" : "o#3", due: ended ? null : at + 150_123, seen: null };
  return {
    ...encodeFixed(order, key, apart ? `d-${nonce}` : null),
    ...present(encodeChanging(order, { ...marks, nonce, resultsPart: null, extrasPart: undefined })),
  };
}

/** Dollars a month of a stack to which no order comes. Each minute takes the same. */
export function idleDollars(statuses: number): Readonly<Record<string, number>> {
  const passes = (30 * 86_400) / monthly.sweepEverySeconds;
  const reads = sweepUnits({ orders: 0, shards: 8, entryBytes: 135, looks: 100, otherQueries: 16 + 8 });
  const unitDollars = (reads * prices.readUnitsPerMillion + prices.writeUnitsPerMillion) / 1_000_000;
  const runDollars =
    prices.lambdaRequestsPerMillion / 1_000_000 +
    assumed.memoryGigabytes * monthly.sweepSeconds * prices.lambdaGigabyteSecond;
  const receives = statuses * monthly.pollers * ((30 * 86_400) / monthly.pollSeconds);
  return {
    Alarms: (monthly.alarmsOfStack + monthly.alarmsOfStatus * statuses) * monthly.alarmDollars,
    Dashboard: monthly.dashboardDollars,
    "Sweep's units": passes * unitDollars,
    "Sweep's runs": passes * runDollars,
    "Empty receives": (receives * prices.sqsPerMillion) / 1_000_000,
  };
}

/** The tables of docs/costs.md, each under its title. */
export function costTables(): readonly { readonly title: string; readonly rows: readonly (readonly string[])[] }[] {
  const counts = names.map((_, index) => index + 1);
  const dollarsOf = (shape: Shape) => dollarsPerMillion(computeOrder(shape));
  const totals = (batch: number) => [
    ["handled statuses", ...sizes.map(({ title }) => title)],
    ...counts.map((statuses) => [
      String(statuses),
      ...sizes.map(({ dataBytes }) => money(sum(Object.values(dollarsOf({ dataBytes, statuses, batch }))))),
    ]),
  ];
  const pick = ["HTTP API", "Lambda requests", "Lambda time", "SNS", "SQS"];
  const small = sizes[0]?.dataBytes as number;
  const others = (batch: number) => [
    ["handled statuses", ...pick],
    ...counts.map((statuses) => {
      const dollars = dollarsOf({ dataBytes: small, statuses, batch });
      return [String(statuses), ...pick.map((name) => money(dollars[name] as number))];
    }),
  ];
  const stored = (name: string) => [
    ["handled statuses", ...sizes.map(({ title }) => title)],
    ...counts.map((statuses) => [
      String(statuses),
      ...sizes.map(({ dataBytes }) => money(dollarsOf({ dataBytes, statuses, batch: fullBatch })[name] as number)),
    ]),
  ];
  const idle = Object.keys(idleDollars(1));
  return [
    { title: "In all, full batches", rows: totals(fullBatch) },
    { title: "In all, batches of one", rows: totals(1) },
    { title: "DynamoDB writes", rows: stored("DynamoDB writes") },
    { title: "DynamoDB reads", rows: stored("DynamoDB reads") },
    { title: "The rest, full batches", rows: others(fullBatch) },
    { title: "The rest, batches of one", rows: others(1) },
    {
      title: "A month without an order",
      rows: [
        ["handled statuses", ...idle, "in all"],
        ...counts.map((statuses) => {
          const dollars = Object.values(idleDollars(statuses));
          return [String(statuses), ...dollars.map(money), money(sum(dollars))];
        }),
      ],
    },
  ];
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, each) => all + each, 0);
}

function money(dollars: number): string {
  return dollars.toFixed(2);
}
