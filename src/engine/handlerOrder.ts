import { type ShownExtras, showExtras } from "../core/extras.ts";
import type { HistoryEntry, Order, StoredOrder } from "../core/order.ts";
import { failureOf, historyOf, orderOf } from "./present.ts";

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
