import type { Depth } from "../../backend/port.ts";
import type { Clock } from "../../core/clock.ts";
import type { Change } from "../../core/decide.ts";
import type { StoredOrder } from "../../core/order.ts";
import type { Callback } from "../callbacks.ts";
import type { Observer } from "../context.ts";
import { createHistogram, createMeter, type Histogram, type Meter, observe } from "./meter.ts";

/** What a store told of its transactions: how long each took to be on disk, and how many operations it had. */
interface StoreTotals {
  readonly milliseconds: Histogram;
  readonly operations: Histogram;
}

/** What several workflows did, for `/events`, `/stats` and `/metrics`. */
export interface Telemetry {
  now(): number;
  readonly events: Events;
  readonly meters: ReadonlyMap<string, Meter>;
  readonly stores: ReadonlyMap<string, StoreTotals>;
  /** How many lines of the log could not be written; undefined for a log that does not count them. */
  readonly linesDropped: (() => number) | undefined;
  /** Makes the observer of one workflow's engine. `depths`: the orders that the store holds already. */
  observerOf(workflow: string, depths: readonly Depth[]): Observer;
  /** How many calls of each callback have failed, such as those of a log that throws. */
  readonly failedCallbacks: ReadonlyMap<Callback, number>;
  callbackFailed(callback: Callback): void;
  /** Makes what one workflow's store calls for each transaction. */
  onBatchOf(workflow: string): (operations: number, milliseconds: number) => void;
  /** Rejections that were left unhandled and that no handler made. */
  readonly rejections: number;
  /** Counts one of `rejections`. */
  rejected(): void;
  /** Calls back when the telemetry closes, so that a reader can close what it opened. */
  onClose(callback: () => void): void;
  /** Ends the stream of events, and calls back those of `onClose`. Harmless when called again. */
  close(): void;
}

// At full load a reader that reconnects within about a second misses nothing; with few orders, within a day.
const eventWindow = 16_384;

interface TelemetryOptions extends Partial<Pick<Telemetry, "linesDropped">> {
  readonly clock: Clock;
  readonly stream: string;
}

export function createTelemetry({ clock, stream, linesDropped }: TelemetryOptions): Telemetry {
  const events = createEvents({ window: eventWindow, stream });
  const meters = new Map<string, Meter>();
  const stores = new Map<string, StoreTotals>();
  const failedCallbacks = new Map<Callback, number>();
  const closing = new Set<() => void>();
  let closed = false;
  let rejections = 0;
  return {
    now: clock.now,
    events,
    meters,
    stores,
    linesDropped,
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
        rejected: meter.rejected,
        blocked: meter.blocked,
      };
    },
    failedCallbacks,
    callbackFailed(callback) {
      failedCallbacks.set(callback, (failedCallbacks.get(callback) ?? 0) + 1);
    },
    onBatchOf(workflow) {
      const totals = { milliseconds: createHistogram(), operations: createHistogram() };
      stores.set(workflow, totals);
      return (operations, milliseconds) => {
        observe(totals.milliseconds, milliseconds);
        observe(totals.operations, operations);
      };
    },
    get rejections() {
      return rejections;
    },
    rejected() {
      rejections++;
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

/** One transition, or one placing, whose `from` is null. */
export interface TransitionEvent {
  /** The event's position in the stream, from 1. */
  readonly number: number;
  readonly workflow: string;
  readonly orderId: string;
  readonly status: string;
  readonly from: string | null;
  readonly visit: number;
  readonly version: number;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** The last events, for readers of `/events`. */
export type Events = ReturnType<typeof createEvents>;

const idBytes = 36;

/**
 * Keeps the last `window` events in a ring of typed arrays. A ring of objects would move every order that passes into
 * the old generation, which costs more than all the rest (decision 0009). A reader only has a number, so a slow reader
 * holds up nothing; once the ring has gone past that number, the reader is told how many events it missed. Nothing is
 * recorded until `open`.
 */
export function createEvents({ window, stream }: { window: number; stream: string }) {
  let ring: ReturnType<typeof createRing> | undefined;
  let last = 0;
  let first = 1;
  let ended = false;
  let scheduled = false;
  const waiting = new Set<() => void>();

  const wake = (): void => {
    scheduled = false;
    const callbacks = [...waiting];
    waiting.clear();
    for (const callback of callbacks) callback();
  };
  const schedule = (): void => {
    if (scheduled || waiting.size === 0) return;
    scheduled = true;
    setImmediate(wake);
  };
  const record = (workflow: string, order: StoredOrder, from: string | null): void => {
    if (ring === undefined) return;
    last++;
    if (last - first >= window) first = last - window + 1;
    ring.write(last % window, workflow, order, from);
    schedule();
  };

  return {
    /** Names this stream. Numbers of another stream mean nothing here. */
    stream,
    /** The number of the last event. */
    get last(): number {
      return last;
    },
    get ended(): boolean {
      return ended;
    },
    /** Begins to record. Harmless when called again. */
    open(): void {
      ring ??= createRing(window);
    },
    placed: (workflow: string, order: StoredOrder): void => record(workflow, order, null),
    changed(workflow: string, { before, after }: Change): void {
      if (after.visit !== before.visit) record(workflow, after, before.status);
    },
    /**
     * Gives up to `max` events after `number` that are still held. `missed`: how many events between are no longer held.
     * `upTo`: the number to go on from.
     */
    after(number: number, max: number) {
      const from = Math.max(number + 1, first);
      const upTo = Math.min(last, from + max - 1);
      const events: TransitionEvent[] = [];
      for (let n = from; n <= upTo && ring !== undefined; n++) events.push({ number: n, ...ring.read(n % window) });
      return { missed: from - number - 1, events, upTo: Math.max(number, upTo) };
    },
    /** Calls back once, soon after the next event or at the end. The returned function takes the callback off. */
    onNext(callback: () => void): () => void {
      waiting.add(callback);
      return () => waiting.delete(callback);
    },
    /** Ends the stream, and calls every waiting callback. */
    end(): void {
      ended = true;
      wake();
    },
  };
}

function createRing(window: number) {
  const ids = Buffer.alloc(window * idBytes);
  const idLengths = new Uint8Array(window);
  const times = new Float64Array(window);
  const numbers = new Uint32Array(window * 5);
  // The ring holds indices of names. There are few names: those of the workflows and their statuses.
  const names: (string | null)[] = [null];
  const indexes = new Map<string, number>();
  const indexOf = (name: string): number => {
    let index = indexes.get(name);
    if (index === undefined) {
      index = names.push(name) - 1;
      indexes.set(name, index);
    }
    return index;
  };

  return {
    write(
      slot: number,
      workflow: string,
      { id, status, visit, version, entry }: StoredOrder,
      from: string | null,
    ): void {
      idLengths[slot] = ids.write(id, slot * idBytes, idBytes, "latin1");
      times[slot] = entry.at;
      const at = slot * 5;
      numbers[at] = visit;
      numbers[at + 1] = version;
      numbers[at + 2] = indexOf(status);
      numbers[at + 3] = from === null ? 0 : indexOf(from);
      numbers[at + 4] = indexOf(workflow);
    },
    read(slot: number): Omit<TransitionEvent, "number"> {
      const at = slot * 5;
      const name = (offset: number) => names[numbers[at + offset] as number] as string;
      return {
        workflow: name(4),
        orderId: ids.toString("latin1", slot * idBytes, slot * idBytes + (idLengths[slot] as number)),
        status: name(2),
        from: numbers[at + 3] === 0 ? null : name(3),
        visit: numbers[at] as number,
        version: numbers[at + 1] as number,
        at: times[slot] as number,
      };
    },
  };
}
