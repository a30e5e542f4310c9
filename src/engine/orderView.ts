import { type ShownExtraFields, type ShownExtras, showExtras, shownExtraFields } from "../core/extras.ts";
import {
  type Actor,
  currentVisit,
  type Failure,
  type HistoryEntry,
  type Order,
  type StoredOrder,
  type Visit,
} from "../core/order.ts";

const isExtrasShown = Object.keys(shownExtraFields).length > 0;

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

function failureOf(failure: Failure | null): Order["failure"] {
  return failure === null ? null : { ...failure, at: iso(failure.at) };
}

/** Shows the visits, the current one last. */
function historyOf(order: StoredOrder): HistoryEntry[] {
  return [...order.past.map(entryOf), entryOf(currentVisit(order))];
}

/**
 * Shows a stored order as a plain object, which the caller may change. `fields`: what the order shows of its extras.
 */
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
 * Makes what writes stored orders as JSON text. Every placing calls it, so it copies text where it can: `data` and
 * `results` are stored as JSON, and ids, times and the names of statuses and workflows hold no character to escape.
 * `fields`: what an order shows of its extras.
 */
export function createOrderJson(
  workflow: string,
  fields: ShownExtraFields = shownExtraFields,
): (order: StoredOrder) => string {
  const areShown = Object.keys(fields).length > 0;
  const time = createTimeText();
  const by = createActorJson();
  const visitJson = (visit: Visit): string =>
    `{"status":"${visit.status}","visit":${visit.visit},"at":"${time(visit.at)}","attempts":${visit.attempts},` +
    `"reason":${json(visit.reason)},"error":${json(visit.error)},"by":${by(visit.by)}}`;
  const timeJson = (milliseconds: number | null): string => (milliseconds === null ? "null" : `"${time(milliseconds)}"`);

  return (order) => {
    let past = "";
    for (const visit of order.past) past += `${visitJson(visit)},`;
    const current = visitJson(currentVisit(order));
    return (
      `{"id":"${order.id}","workflow":"${workflow}","status":"${order.status}","visit":${order.visit},` +
      `"version":${order.version},"attempts":${order.attempts},"data":${order.dataJson},"results":${order.resultsJson},` +
      `"group":${json(order.group)},"createdAt":"${time(order.createdAt)}",` +
      `"updatedAt":"${time(order.updatedAt)}","notBefore":${timeJson(order.notBefore)},"expiresAt":${timeJson(order.expiresAt)},` +
      `"failure":${json(failureOf(order.failure))},` +
      `"history":[${past}${current}],"historyOmitted":${order.pastOmitted}` +
      (areShown ? `,${JSON.stringify(showExtras(order.extrasJson, fields)).slice(1)}` : "}")
    );
  };
}

/**
 * Makes what writes times as `iso` does. An order has a time for each of its visits, and a date costs as much to write
 * as the rest of a visit. Nearly all times of a page are of one minute or a few, so the text of the last minute is kept.
 */
function createTimeText(): (milliseconds: number) => string {
  let minuteAt = Number.NaN;
  let minuteText = "";
  return (milliseconds) => {
    const within = milliseconds - minuteAt;
    if (!(within >= 0 && within < 60_000)) {
      minuteAt = Math.floor(milliseconds / 60_000) * 60_000;
      // Up to the colon before the seconds.
      minuteText = iso(minuteAt).slice(0, -7);
    }
    const rest = String(100_000 + Math.trunc(milliseconds - minuteAt));
    return `${minuteText}${rest.slice(1, 3)}.${rest.slice(3)}Z`;
  };
}

/** Makes what writes actors as JSON. Nearly all actors of a page have the name that was written last. */
function createActorJson(): (actor: Actor) => string {
  let last = "";
  let lastJson = '""';
  return ({ runtime, name, requestId, messageId }) => {
    if (name !== last) {
      lastJson = JSON.stringify(name);
      last = name;
    }
    return `{"runtime":"${runtime}","name":${lastJson},"requestId":${json(requestId)},"messageId":${json(messageId)}}`;
  };
}

/** As `JSON.stringify`, which takes longer for null. */
function json(value: object | string | null): string {
  return value === null ? "null" : JSON.stringify(value);
}

/**
 * The order that a handler gets. It parses JSON only when the handler first reads a field. Each attempt gets an order
 * of its own, so no attempt sees what another did to it.
 *
 * It is a class so that its getters are on one prototype. An object literal with getters makes a hidden class for every
 * object, in the old generation, and keeps alive until a full collection all that an attempt allocates: measured at ten
 * times the time, and at a third of all garbage collection (docs/decisions/0007-a-class-for-the-handlers-order.md).
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
    return iso(this.#stored.createdAt);
  }
  get updatedAt(): string {
    return iso(this.#stored.updatedAt);
  }
  get notBefore(): string | null {
    return isoOrNull(this.#stored.notBefore);
  }
  // An order with a handler does not wait.
  get expiresAt(): null {
    return null;
  }
  get failure(): Order["failure"] {
    return failureOf(this.#stored.failure);
  }

  /** Gives the whole order, for `JSON.stringify`. */
  toJSON(): Order {
    return orderOf(this.#stored, this.workflow);
  }
}

export function handlerOrder(stored: StoredOrder, workflow: string): Order {
  const order = new HandlerOrder(stored, workflow);
  return isExtrasShown ? Object.assign(order, showExtras(stored.extrasJson)) : order;
}
