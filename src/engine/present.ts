import {
  currentVisit,
  type Failure,
  type HistoryEntry,
  type Order,
  type StoredOrder,
  type Visit,
} from "../core/order.ts";

const iso = (milliseconds: number): string => new Date(milliseconds).toISOString();
const isoOrNull = (milliseconds: number | null): string | null => (milliseconds === null ? null : iso(milliseconds));

function entryOf(visit: Visit): HistoryEntry {
  return {
    status: visit.status,
    visit: visit.visit,
    at: iso(visit.at),
    attempts: visit.attempts,
    reason: visit.reason,
    error: visit.error,
    by: visit.by,
  };
}

function failureOf(failure: Failure | null): Order["failure"] {
  return failure === null ? null : { ...failure, at: iso(failure.at) };
}

function historyOf(order: StoredOrder): HistoryEntry[] {
  return [...order.past.map(entryOf), entryOf(currentVisit(order))];
}

/**
 * A stored order as the library and handlers show it. What costs (`data`, `results`, `history`, the times) is made on first
 * use, anew for each caller, so that nobody sees what another did to it.
 */
export function orderOf(order: StoredOrder, workflow: string): Order {
  let data: unknown;
  let results: Record<string, unknown> | undefined;
  let history: HistoryEntry[] | undefined;
  return {
    id: order.id,
    workflow,
    status: order.status,
    visit: order.visit,
    version: order.version,
    attempts: order.attempts,
    get data() {
      return (data ??= JSON.parse(order.dataJson));
    },
    get results() {
      return (results ??= JSON.parse(order.resultsJson) as Record<string, unknown>);
    },
    group: order.group,
    get createdAt() {
      return iso(order.createdAt);
    },
    get updatedAt() {
      return iso(order.updatedAt);
    },
    notBefore: isoOrNull(order.notBefore),
    expiresAt: isoOrNull(order.expiresAt),
    failure: failureOf(order.failure),
    get history() {
      return (history ??= historyOf(order));
    },
    historyOmitted: order.pastOmitted,
  };
}

/**
 * A stored order as JSON text. `data` and `results` go in as they are stored, and what can hold no character that JSON
 * escapes (ids, the names of statuses and workflows, times) goes in as it is: this is on the way of every placing.
 */
export function orderJson(order: StoredOrder, workflow: string): string {
  const createdAt = iso(order.createdAt);
  const updatedAt = order.updatedAt === order.createdAt ? createdAt : iso(order.updatedAt);
  const past = order.past.map((visit) => `${visitJson(visit, iso(visit.at))},`).join("");
  const { entry } = order;
  const current = visitJson(currentVisit(order), entry.at === order.updatedAt ? updatedAt : iso(entry.at));
  return (
    `{"id":"${order.id}","workflow":"${workflow}","status":"${order.status}","visit":${order.visit},` +
    `"version":${order.version},"attempts":${order.attempts},"data":${order.dataJson},"results":${order.resultsJson},` +
    `"group":${order.group === null ? "null" : JSON.stringify(order.group)},"createdAt":"${createdAt}",` +
    `"updatedAt":"${updatedAt}","notBefore":${timeJson(order.notBefore)},"expiresAt":${timeJson(order.expiresAt)},` +
    `"failure":${order.failure === null ? "null" : JSON.stringify(failureOf(order.failure))},` +
    `"history":[${past}${current}],"historyOmitted":${order.pastOmitted}}`
  );
}

function timeJson(milliseconds: number | null): string {
  return milliseconds === null ? "null" : `"${iso(milliseconds)}"`;
}

function visitJson(visit: Visit, at: string): string {
  return (
    `{"status":"${visit.status}","visit":${visit.visit},"at":"${at}","attempts":${visit.attempts},` +
    `"reason":${textJson(visit.reason)},"error":${textJson(visit.error)},"by":${JSON.stringify(visit.by)}}`
  );
}

function textJson(text: string | null): string {
  return text === null ? "null" : JSON.stringify(text);
}
