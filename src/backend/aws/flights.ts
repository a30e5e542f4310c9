import type { Clock } from "../../core/clock.ts";
import type { Reference } from "./messages.ts";
import type { Queue } from "./queue.ts";

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
