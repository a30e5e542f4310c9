import type { Depth } from "../../backend/port.ts";
import type { Clock } from "../../core/clock.ts";
import { createEvents, type Events } from "./events.ts";
import { createHistogram, createMeter, type Histogram, type Meter, observe } from "./meter.ts";
import type { Observer } from "./observer.ts";

/** What a store told of its transactions: how long each took to be on disk, and how many operations it had. */
export interface StoreTotals {
  readonly milliseconds: Histogram;
  readonly operations: Histogram;
}

/** What several workflows did, for `/events`, `/stats` and `/metrics`. */
export interface Telemetry {
  now(): number;
  readonly events: Events;
  readonly meters: ReadonlyMap<string, Meter>;
  readonly stores: ReadonlyMap<string, StoreTotals>;
  /** Makes the observer of one workflow's engine. `depths`: the orders that the store holds already. */
  observerOf(workflow: string, depths: readonly Depth[]): Observer;
  /** Makes what one workflow's store calls for each transaction. */
  onBatchOf(workflow: string): (operations: number, milliseconds: number) => void;
  /** Calls back when the telemetry closes, so that a reader can close what it opened. */
  onClose(callback: () => void): void;
  /** Ends the stream of events, and calls back those of `onClose`. Harmless when called again. */
  close(): void;
}

// At full load a reader that reconnects within about a second misses nothing; with few orders, within a day.
const eventWindow = 16_384;

export function createTelemetry({ clock, stream }: { clock: Clock; stream: string }): Telemetry {
  const events = createEvents({ window: eventWindow, stream });
  const meters = new Map<string, Meter>();
  const stores = new Map<string, StoreTotals>();
  const closing = new Set<() => void>();
  let closed = false;
  return {
    now: clock.now,
    events,
    meters,
    stores,
    observerOf(workflow, depths) {
      const meter = createMeter({ clock, depths });
      meters.set(workflow, meter);
      return {
        placed(order) {
          meter.placed(order);
          events.placed(workflow, order);
        },
        changed(change, attempt) {
          meter.changed(change, attempt);
          events.changed(workflow, change);
        },
        removed: meter.removed,
      };
    },
    onBatchOf(workflow) {
      const totals = { milliseconds: createHistogram(), operations: createHistogram() };
      stores.set(workflow, totals);
      return (operations, milliseconds) => {
        observe(totals.milliseconds, milliseconds);
        observe(totals.operations, operations);
      };
    },
    onClose(callback) {
      if (closed) callback();
      else closing.add(callback);
    },
    close() {
      closed = true;
      events.end();
      for (const callback of closing) callback();
      closing.clear();
    },
  };
}
