import { type ShownExtraFields, type ShownExtras, showExtras, shownExtraFields } from "../core/extras.ts";
import {
  currentVisit,
  type Failure,
  type HistoryEntry,
  type Order,
  type StoredOrder,
  type Visit,
} from "../core/order.ts";

export const iso = (milliseconds: number): string => new Date(milliseconds).toISOString();
export const isoOrNull = (milliseconds: number | null): string | null =>
  milliseconds === null ? null : iso(milliseconds);

function entryOf(visit: Visit): HistoryEntry {
  return {
    status: visit.status,
    visit: visit.visit,
    at: iso(visit.at),
    attempts: visit.attempts,
    reason: visit.reason,
    error: visit.error,
    by: { ...visit.by },
  };
}

/** A failure as it is shown. */
export function failureOf(failure: Failure | null): Order["failure"] {
  return failure === null ? null : { ...failure, at: iso(failure.at) };
}

/** The visits as they are shown, the lasting one last. */
export function historyOf(order: StoredOrder): HistoryEntry[] {
  return [...order.past.map(entryOf), entryOf(currentVisit(order))];
}

/** A stored order as the library shows it: a plain object of the caller's own. `fields`: what the order shows of its extras. */
export function orderOf(order: StoredOrder, workflow: string, fields: ShownExtraFields = shownExtraFields): Order {
  return {
    id: order.id,
    workflow,
    status: order.status,
    visit: order.visit,
    version: order.version,
    attempts: order.attempts,
    data: JSON.parse(order.dataJson) as unknown,
    results: JSON.parse(order.resultsJson) as Record<string, unknown>,
    group: order.group,
    createdAt: iso(order.createdAt),
    updatedAt: iso(order.updatedAt),
    notBefore: isoOrNull(order.notBefore),
    expiresAt: isoOrNull(order.expiresAt),
    failure: failureOf(order.failure),
    history: historyOf(order),
    historyOmitted: order.pastOmitted,
    ...showExtras(order.extrasJson, fields),
  };
}

/**
 * Stored orders as JSON text. `data` and `results` go in as they are stored, and what can hold no character that JSON
 * escapes (ids, the names of statuses and workflows, times) goes in as it is: this is on the way of every placing.
 * `fields`: what an order shows of its extras.
 */
export function createOrderJson(
  workflow: string,
  fields: ShownExtraFields = shownExtraFields,
): (order: StoredOrder) => string {
  const isExtrasShown = Object.keys(fields).length > 0;
  // Under load many orders carry the same millisecond, and writing a date costs as much as the rest of the order.
  let lastAt = Number.NaN;
  let lastText = "";
  const time = (milliseconds: number): string => {
    if (milliseconds !== lastAt) {
      lastText = iso(milliseconds);
      lastAt = milliseconds;
    }
    return lastText;
  };

  return (order) => {
    const past = order.past.map((visit) => `${visitJson(visit, iso(visit.at))},`).join("");
    const current = visitJson(currentVisit(order), time(order.entry.at));
    return (
      `{"id":"${order.id}","workflow":"${workflow}","status":"${order.status}","visit":${order.visit},` +
      `"version":${order.version},"attempts":${order.attempts},"data":${order.dataJson},"results":${order.resultsJson},` +
      `"group":${json(order.group)},"createdAt":"${time(order.createdAt)}",` +
      `"updatedAt":"${time(order.updatedAt)}","notBefore":${timeJson(order.notBefore)},"expiresAt":${timeJson(order.expiresAt)},` +
      `"failure":${json(failureOf(order.failure))},` +
      `"history":[${past}${current}],"historyOmitted":${order.pastOmitted}` +
      (isExtrasShown ? `,${JSON.stringify(showExtras(order.extrasJson, fields)).slice(1)}` : "}")
    );
  };
}

function timeJson(milliseconds: number | null): string {
  return milliseconds === null ? "null" : `"${iso(milliseconds)}"`;
}

function visitJson(visit: Visit, at: string): string {
  return (
    `{"status":"${visit.status}","visit":${visit.visit},"at":"${at}","attempts":${visit.attempts},` +
    `"reason":${json(visit.reason)},"error":${json(visit.error)},"by":${JSON.stringify(visit.by)}}`
  );
}

/** As `JSON.stringify`, which takes longer for null. */
function json(value: object | string | null): string {
  return value === null ? "null" : JSON.stringify(value);
}

/**
 * The order that a handler gets: what costs is made when the handler first asks, and anew for each attempt, so no
 * attempt sees what another did to it.
 *
 * A class, since its getters are then on one prototype. An object literal with getters makes a hidden class for every
 * object, in the old generation, and keeps all that an attempt allocates alive until a full collection: measured at ten
 * times the time and a third of all garbage collection (docs/decisions/0007-a-class-for-the-handlers-order.md).
 */
class HandlerOrder implements Omit<Order, keyof ShownExtras> {
  readonly workflow: string;
  readonly id: string;
  readonly status: string;
  readonly visit: number;
  readonly version: number;
  readonly attempts: number;
  readonly group: string | null;
  readonly historyOmitted: number;
  readonly #stored: StoredOrder;
  #data: unknown;
  #results: Record<string, unknown> | undefined;
  #history: HistoryEntry[] | undefined;

  constructor(stored: StoredOrder, workflow: string) {
    this.workflow = workflow;
    this.id = stored.id;
    this.status = stored.status;
    this.visit = stored.visit;
    this.version = stored.version;
    this.attempts = stored.attempts;
    this.group = stored.group;
    this.historyOmitted = stored.pastOmitted;
    this.#stored = stored;
  }

  get data(): unknown {
    return (this.#data ??= JSON.parse(this.#stored.dataJson));
  }
  get results(): Record<string, unknown> {
    return (this.#results ??= JSON.parse(this.#stored.resultsJson) as Record<string, unknown>);
  }
  get history(): readonly HistoryEntry[] {
    return (this.#history ??= historyOf(this.#stored));
  }
  get createdAt(): string {
    return new Date(this.#stored.createdAt).toISOString();
  }
  get updatedAt(): string {
    return new Date(this.#stored.updatedAt).toISOString();
  }
  get notBefore(): string | null {
    const { notBefore } = this.#stored;
    return notBefore === null ? null : new Date(notBefore).toISOString();
  }
  // A handled order neither waits nor has failed.
  get expiresAt(): null {
    return null;
  }
  get failure(): Order["failure"] {
    return failureOf(this.#stored.failure);
  }

  /** The whole of it, for whoever logs or sends the order. */
  toJSON(): Order {
    return orderOf(this.#stored, this.workflow);
  }
}

export function handlerOrder(stored: StoredOrder, workflow: string): Order {
  return Object.assign(new HandlerOrder(stored, workflow), showExtras(stored.extrasJson));
}
