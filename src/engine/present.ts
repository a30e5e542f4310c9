import { currentVisit, type HistoryEntry, type Order, type StoredOrder, type Visit } from "../core/order.ts";

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

/** Everything of an order but `data` and `results`. */
function envelope(order: StoredOrder) {
  const { failure } = order;
  return {
    group: order.group,
    createdAt: iso(order.createdAt),
    updatedAt: iso(order.updatedAt),
    notBefore: isoOrNull(order.notBefore),
    expiresAt: isoOrNull(order.expiresAt),
    failure: failure === null ? null : { ...failure, at: iso(failure.at) },
    history: [...order.past.map(entryOf), entryOf(currentVisit(order))],
    historyOmitted: order.pastOmitted,
  };
}

/** A stored order as the library and handlers show it. `data` and `results` are parsed anew for each caller, on first use. */
export function orderOf(order: StoredOrder, workflow: string): Order {
  let data: unknown;
  let results: Record<string, unknown> | undefined;
  let shown: ReturnType<typeof envelope> | undefined;
  const rest = () => (shown ??= envelope(order));
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
      return rest().createdAt;
    },
    get updatedAt() {
      return rest().updatedAt;
    },
    get notBefore() {
      return rest().notBefore;
    },
    get expiresAt() {
      return rest().expiresAt;
    },
    get failure() {
      return rest().failure;
    },
    get history() {
      return rest().history;
    },
    get historyOmitted() {
      return rest().historyOmitted;
    },
  };
}

/** A stored order as JSON text. `data` and `results` go in as they are stored, without being parsed. */
export function orderJson(order: StoredOrder, workflow: string): string {
  const head = JSON.stringify({
    id: order.id,
    workflow,
    status: order.status,
    visit: order.visit,
    version: order.version,
    attempts: order.attempts,
  });
  const tail = JSON.stringify(envelope(order));
  return `${head.slice(0, -1)},"data":${order.dataJson},"results":${order.resultsJson},${tail.slice(1)}`;
}
