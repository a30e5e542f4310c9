import type { Clock } from "../../../core/clock.ts";
import type { Queue } from "./queue.ts";
import type { Reference } from "./topic.ts";

/** A message that this process has received and not yet answered. */
export interface Flight {
  readonly reference: Omit<Reference, "group">;
  readonly queue: Queue;
  readonly messageId: string;
  readonly receipt: string;
  /** How often the message has been received, this time included. */
  readonly receives: number;
  /** The queue's group in FIFO delivery. */
  readonly groupId: string | null;
  /** The message is taken off by whoever brought it, once he is told that it is done: a Lambda event source. */
  readonly brought: boolean;
  /** When it came here, in milliseconds since 1970. */
  readonly receivedAt: number;
  /** Milliseconds since 1970; after that it may be in other hands. */
  readonly leaseEndsAt: number;
}

export interface Flights {
  add(flight: Flight): void;
  end(flight: Flight): void;
  byReceipt(receipt: string): Flight | undefined;
  /** Those of one visit whose leases last. */
  of(id: string, visit: number): readonly Flight[];
}

/** What this process has in hand. A flight whose lease has run out is forgotten. */
export function createFlights(clock: Clock): Flights {
  const byReceipt = new Map<string, Flight>();
  const byVisit = new Map<string, Set<Flight>>();
  const visitOf = (id: string, visit: number) => `${id}:${visit}`;

  const end = (flight: Flight): void => {
    byReceipt.delete(flight.receipt);
    const key = visitOf(flight.reference.id, flight.reference.visit);
    const all = byVisit.get(key);
    all?.delete(flight);
    if (all?.size === 0) byVisit.delete(key);
  };

  const forgetLate = (): void => {
    const now = clock.now();
    for (const flight of byReceipt.values()) {
      // Those that were received first stand first, and leases of one status are of one length, so most end here.
      if (flight.leaseEndsAt > now) return;
      end(flight);
    }
  };

  const lasting = (flight: Flight | undefined): Flight | undefined =>
    flight !== undefined && flight.leaseEndsAt > clock.now() ? flight : undefined;

  return {
    add(flight) {
      forgetLate();
      byReceipt.set(flight.receipt, flight);
      const key = visitOf(flight.reference.id, flight.reference.visit);
      byVisit.set(key, (byVisit.get(key) ?? new Set()).add(flight));
    },
    end,
    byReceipt: (receipt) => lasting(byReceipt.get(receipt)),
    of: (id, visit) => [...(byVisit.get(visitOf(id, visit)) ?? [])].filter(lasting),
  };
}

/**
 * FIFO: SQS may give several messages of one group at once. One of them is handed out at a time, and the next when the
 * one before has left the status; where that one comes again, so do those behind it.
 */
export interface Groups {
  /** Of what was received together, in order: what may be handed out now. The others wait here. */
  arrive(flights: readonly Flight[]): Flight[];
  /** The head of its group has left: the next becomes ready. */
  left(flight: Flight): void;
  /** The head of its group comes again: those behind it are given back, and returned. */
  stays(flight: Flight): Flight[];
  takeReady(url: string, most: number): Flight[];
  /** Calls once when something of the queue is ready, unless the function that it returns is called first. */
  onReady(url: string, call: () => void): () => void;
}

export function createGroups(): Groups {
  const behind = new Map<string, Flight[]>();
  const ready = new Map<string, Flight[]>();
  const waiting = new Map<string, Set<() => void>>();
  const keyOf = ({ queue, groupId }: Flight) => `${queue.url} ${groupId}`;

  const wake = (url: string): void => {
    const all = waiting.get(url);
    waiting.delete(url);
    for (const resolve of all ?? []) resolve();
  };

  return {
    arrive(flights) {
      const heads: Flight[] = [];
      const seen = new Set<string>();
      for (const flight of flights) {
        if (flight.groupId === null) heads.push(flight);
        else {
          const key = keyOf(flight);
          if (!seen.has(key)) {
            // The queue gives none of a group that is in flight: what waited here before has run out of its lease.
            behind.delete(key);
            seen.add(key);
            heads.push(flight);
          } else behind.set(key, [...(behind.get(key) ?? []), flight]);
        }
      }
      return heads;
    },
    left(flight) {
      const key = keyOf(flight);
      const all = behind.get(key);
      const next = all?.shift();
      if (all?.length === 0) behind.delete(key);
      if (next === undefined) return;
      const { url } = flight.queue;
      ready.set(url, [...(ready.get(url) ?? []), next]);
      wake(url);
    },
    stays(flight) {
      const key = keyOf(flight);
      const all = behind.get(key) ?? [];
      behind.delete(key);
      return all;
    },
    takeReady(url, most) {
      const all = ready.get(url);
      if (all === undefined) return [];
      const taken = all.splice(0, most);
      if (all.length === 0) ready.delete(url);
      return taken;
    },
    onReady(url, call) {
      const all = waiting.get(url) ?? new Set();
      waiting.set(url, all.add(call));
      return () => all.delete(call);
    },
  };
}
