import { EventEmitter } from "node:events";
import type { Clock } from "../../../core/clock.ts";
import type { Delivery } from "../../port.ts";

/** A delivery that is out: a message that this process received and that SQS hides until the lease ends. */
export interface Lease extends Delivery {
  /** How often the message has been received, this time included. */
  readonly receives: number;
  /** The time of the attempt for which the message was sent, in milliseconds since 1970. Null in a visit's first message. */
  readonly notBefore: number | null;
  /** The message's group in FIFO delivery. */
  readonly groupId: string | null;
  /** The order's last attempt began and never ended: its handler may end the process. */
  readonly suspect: boolean;
  /** The Lambda event source deletes the message once the function reports it done; this process must not. */
  readonly deletedByEventSource: boolean;
  /** When this process got the message, in milliseconds since 1970. */
  readonly receivedAt: number;
  /** When the lease ends, in milliseconds since 1970. From then on another process may receive the message. */
  readonly endsAt: number;
}

export type Leases = ReturnType<typeof createLeases>;

/** The leases that this process holds. A lease that has ended is forgotten. */
export function createLeases(clock: Clock) {
  // A process holds about as many leases as handlers run at once, so a look through all of them is short.
  const leases = new Map<string, Lease>();
  const lasts = ({ endsAt }: Lease) => endsAt > clock.now();
  return {
    add(lease: Lease): void {
      // The oldest leases stand first. Leases of one status are of one length, so most calls stop at the first.
      for (const [receipt, oldest] of leases) {
        if (lasts(oldest)) break;
        leases.delete(receipt);
      }
      leases.set(lease.receipt, lease);
    },
    end({ receipt }: Lease): void {
      leases.delete(receipt);
    },
    byReceipt(receipt: string): Lease | undefined {
      const lease = leases.get(receipt);
      return lease !== undefined && lasts(lease) ? lease : undefined;
    },
    ofVisit({ id, visit }: { readonly id: string; readonly visit: number }): Lease[] {
      return [...leases.values()].filter((lease) => lease.orderId === id && lease.visit === visit && lasts(lease));
    },
  };
}

export type Groups = ReturnType<typeof createGroups>;

/**
 * FIFO delivery: SQS may give several messages of one group at once. This process hands out one of them at a time, and
 * the next one when the order before has left the status. When a message is put back, so are those behind it.
 */
export function createGroups() {
  const behind = new Map<string, Lease[]>();
  const ready = new Map<string, Lease[]>();
  const readied = new EventEmitter().setMaxListeners(0);
  const groupKey = ({ status, groupId }: Lease) => `${status} ${groupId}`;

  return {
    /** Gives those of one receive that may be handed out now: the first of each group. The others wait here. */
    arrive(leases: readonly Lease[]): Lease[] {
      const heads: Lease[] = [];
      const seen = new Set<string>();
      for (const lease of leases) {
        const key = groupKey(lease);
        if (lease.groupId !== null && seen.has(key)) {
          behind.set(key, [...(behind.get(key) ?? []), lease]);
          continue;
        }
        heads.push(lease);
        seen.add(key);
        // SQS gives no message of a group that has one in flight, so the leases of what waited here have ended.
        behind.delete(key);
      }
      return heads;
    },
    /** The head of a group has left the queue: the next one becomes ready. */
    left(head: Lease): void {
      const key = groupKey(head);
      const [next, ...others] = behind.get(key) ?? [];
      if (others.length > 0) behind.set(key, others);
      else behind.delete(key);
      if (next === undefined) return;
      ready.set(head.status, [...(ready.get(head.status) ?? []), next]);
      readied.emit(`of ${head.status}`);
    },
    /** The head of a group is put back: gives those behind it, which must be put back, too. */
    stays(head: Lease): Lease[] {
      const key = groupKey(head);
      const all = behind.get(key) ?? [];
      behind.delete(key);
      return all;
    },
    takeReady(status: string, max: number): Lease[] {
      const all = ready.get(status) ?? [];
      const taken = all.splice(0, max);
      if (all.length === 0) ready.delete(status);
      return taken;
    },
    /** Calls back once when a message of the status becomes ready. The returned function cancels. */
    onReady(status: string, call: () => void): () => void {
      readied.once(`of ${status}`, call);
      return () => void readied.off(`of ${status}`, call);
    },
  };
}
