import type { Clock } from "../../../core/clock.ts";
import type { Queue } from "./queue.ts";
import type { Reference } from "./topic.ts";

/** A message that this process has received and not yet answered. */
export interface Lease {
  readonly reference: Omit<Reference, "group">;
  readonly queue: Queue;
  readonly messageId: string;
  readonly receipt: string;
  /** How often the message has been received, this time included. */
  readonly receives: number;
  /** The queue's group in FIFO delivery. */
  readonly groupId: string | null;
  /** The Lambda event source deletes this message once the function reports it done; this process must not. */
  readonly deletedByEventSource: boolean;
  /** When it came here, in milliseconds since 1970. */
  readonly receivedAt: number;
  /** Milliseconds since 1970; after that it may be in other hands. */
  readonly endsAt: number;
}

export interface Leases {
  add(lease: Lease): void;
  end(lease: Lease): void;
  byReceipt(receipt: string): Lease | undefined;
  /** Those of one visit whose leases last. */
  of(id: string, visit: number): readonly Lease[];
}

/** What this process has in hand. A lease whose lease has run out is forgotten. */
export function createLeases(clock: Clock): Leases {
  const byReceipt = new Map<string, Lease>();
  const byVisit = new Map<string, Set<Lease>>();
  const visitOf = (id: string, visit: number) => `${id}:${visit}`;

  const end = (lease: Lease): void => {
    byReceipt.delete(lease.receipt);
    const key = visitOf(lease.reference.id, lease.reference.visit);
    const all = byVisit.get(key);
    all?.delete(lease);
    if (all?.size === 0) byVisit.delete(key);
  };

  const forgetLate = (): void => {
    const now = clock.now();
    for (const lease of byReceipt.values()) {
      // Those that were received first stand first, and leases of one status are of one length, so most end here.
      if (lease.endsAt > now) return;
      end(lease);
    }
  };

  const lasting = (lease: Lease | undefined): Lease | undefined =>
    lease !== undefined && lease.endsAt > clock.now() ? lease : undefined;

  return {
    add(lease) {
      forgetLate();
      byReceipt.set(lease.receipt, lease);
      const key = visitOf(lease.reference.id, lease.reference.visit);
      byVisit.set(key, (byVisit.get(key) ?? new Set()).add(lease));
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
  arrive(leases: readonly Lease[]): Lease[];
  /** The head of its group has left: the next becomes ready. */
  left(lease: Lease): void;
  /** The head of its group comes again: those behind it are given back, and returned. */
  stays(lease: Lease): Lease[];
  takeReady(url: string, max: number): Lease[];
  /** Calls once when something of the queue is ready, unless the function that it returns is called first. */
  onReady(url: string, call: () => void): () => void;
}

export function createGroups(): Groups {
  const behind = new Map<string, Lease[]>();
  const ready = new Map<string, Lease[]>();
  const waiting = new Map<string, Set<() => void>>();
  const keyOf = ({ queue, groupId }: Lease) => `${queue.url} ${groupId}`;

  const wake = (url: string): void => {
    const all = waiting.get(url);
    waiting.delete(url);
    for (const resolve of all ?? []) resolve();
  };

  return {
    arrive(leases) {
      const heads: Lease[] = [];
      const seen = new Set<string>();
      for (const lease of leases) {
        if (lease.groupId === null) heads.push(lease);
        else {
          const key = keyOf(lease);
          if (!seen.has(key)) {
            // The queue gives none of a group that is in flight: what waited here before has run out of its lease.
            behind.delete(key);
            seen.add(key);
            heads.push(lease);
          } else behind.set(key, [...(behind.get(key) ?? []), lease]);
        }
      }
      return heads;
    },
    left(lease) {
      const key = keyOf(lease);
      const all = behind.get(key);
      const next = all?.shift();
      if (all?.length === 0) behind.delete(key);
      if (next === undefined) return;
      const { url } = lease.queue;
      ready.set(url, [...(ready.get(url) ?? []), next]);
      wake(url);
    },
    stays(lease) {
      const key = keyOf(lease);
      const all = behind.get(key) ?? [];
      behind.delete(key);
      return all;
    },
    takeReady(url, max) {
      const all = ready.get(url);
      if (all === undefined) return [];
      const taken = all.splice(0, max);
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
