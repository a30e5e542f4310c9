import type { Change } from "../../core/decide.ts";
import type { StoredOrder } from "../../core/order.ts";

/** One transition, or a placing, whose `from` is null. */
export interface TransitionEvent {
  /** Its place in the stream, from 1. */
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

/** What happened last, for whoever looks on. */
export interface Events {
  /** Names this stream: numbers of another one mean nothing here. */
  readonly stream: string;
  /** The number of the last event; those after it are still to come. */
  readonly last: number;
  /** Begins to record, if nobody has looked on before. */
  open(): void;
  placed(workflow: string, order: StoredOrder): void;
  changed(workflow: string, change: Change): void;
  /**
   * Up to `max` events after `number` that are still held, and how many between are not held any longer. `upTo` is the
   * number to go on from, whatever of the events was of interest.
   */
  after(
    number: number,
    max: number,
  ): { readonly missed: number; readonly events: TransitionEvent[]; readonly upTo: number };
  /** Calls back once, soon after the next event or at the end; the returned function forgets it. */
  onNext(callback: () => void): () => void;
  /** Wakes everybody; nothing comes after it. */
  end(): void;
  readonly ended: boolean;
}

const idBytes = 36;

/**
 * The last `window` events in a ring of plain memory. What is kept here is no object: a ring of those would keep every
 * order that passes alive until it is old, which costs more than all the rest (decision 0009). A reader has a place in
 * the ring and nothing else, so a slow one holds nobody and nothing; when the ring has gone past it, it is told how many
 * events it missed. Nothing is recorded until somebody looks on for the first time.
 */
export function createEvents({ window, stream }: { window: number; stream: string }): Events {
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
    stream,
    get last() {
      return last;
    },
    get ended() {
      return ended;
    },
    open() {
      ring ??= createRing(window);
    },
    placed: (workflow, order) => record(workflow, order, null),
    changed(workflow, { before, after }) {
      if (after.visit !== before.visit) record(workflow, after, before.status);
    },
    after(number, max) {
      const from = Math.max(number + 1, first);
      const upTo = Math.min(last, from + max - 1);
      const events: TransitionEvent[] = [];
      for (let n = from; n <= upTo && ring !== undefined; n++) events.push({ number: n, ...ring.read(n % window) });
      return { missed: from - number - 1, events, upTo: Math.max(number, upTo) };
    },
    onNext(callback) {
      waiting.add(callback);
      return () => waiting.delete(callback);
    },
    end() {
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
  // Names are few: those of the workflows and their statuses.
  const names: (string | null)[] = [null];
  const places = new Map<string, number>();
  const placeOf = (name: string): number => {
    let place = places.get(name);
    if (place === undefined) {
      place = names.push(name) - 1;
      places.set(name, place);
    }
    return place;
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
      numbers[at + 2] = placeOf(status);
      numbers[at + 3] = from === null ? 0 : placeOf(from);
      numbers[at + 4] = placeOf(workflow);
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
