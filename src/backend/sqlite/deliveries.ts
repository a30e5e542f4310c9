import type { Clock } from "../../core/clock.ts";
import type { StoredOrder } from "../../core/order.ts";
import type { Delivery, ReceiveOptions } from "../port.ts";
import { createSlotMap } from "./slotMap.ts";

/** A delivery that is leased, with its order, so that nobody reads it again. */
interface Lease {
  readonly delivery: Delivery;
  readonly seq: number;
  leaseUntil: number;
  order: StoredOrder;
}

interface Waiter {
  readonly max: number;
  readonly leaseSeconds: number;
  end(deliveries: Delivery[]): void;
}

interface Line {
  readonly waiters: Waiter[];
  /** Leased for somebody who has gone; the next to ask gets them. */
  readonly spare: Lease[];
  /** How many more deliveries the writer may still send, for what was asked of it. */
  asked: number;
}

interface LeasesOptions {
  readonly clock: Clock;
  /** Tells the writer that it may lease so many more (or fewer) of a status. */
  readonly grant: (status: string, more: number) => void;
  /** Resolves once the writer has answered everything asked until now. */
  readonly roundTrip: () => Promise<void>;
  /** The lease of a delivery ran out. */
  readonly onLeaseEnd: (seq: number, visit: number) => void;
}

export type Leases = ReturnType<typeof createLeases>;

/** Who waits for deliveries, which are out, and until when. At most as many orders are leased as were asked for. */
export function createLeases({ clock, grant, roundTrip, onLeaseEnd }: LeasesOptions) {
  const leases = createSlotMap<string, Lease>();
  const lines = new Map<string, Line>();
  let receipts = 0;
  let leaseCheckAt = Number.POSITIVE_INFINITY;
  let cancelLeaseCheck: (() => void) | undefined;
  let closed = false;

  const lineOf = (status: string): Line => {
    let line = lines.get(status);
    if (line === undefined) {
      line = { waiters: [], spare: [], asked: 0 };
      lines.set(status, line);
    }
    return line;
  };

  /** Asks the writer for as many as are waited for, no more and no fewer. */
  const ask = (status: string, line: Line): void => {
    const wanted = line.waiters.reduce((sum, waiter) => sum + waiter.max, 0);
    grant(status, wanted - line.asked);
    line.asked = wanted;
  };

  const checkLeasesAt = (at: number): void => {
    if (at >= leaseCheckAt || closed) return;
    cancelLeaseCheck?.();
    leaseCheckAt = at;
    cancelLeaseCheck = clock.at(at, checkLeases);
  };
  const checkLeases = (): void => {
    leaseCheckAt = Number.POSITIVE_INFINITY;
    const now = clock.now();
    let next = Number.POSITIVE_INFINITY;
    for (const each of leases.values()) {
      if (each.leaseUntil > now) next = Math.min(next, each.leaseUntil);
      else {
        leases.delete(each.delivery.orderId);
        onLeaseEnd(each.seq, each.delivery.visit);
      }
    }
    if (next < Number.POSITIVE_INFINITY) checkLeasesAt(next);
  };

  const handOut = (from: Lease[], leaseSeconds: number): Delivery[] => {
    const leaseUntil = clock.now() + leaseSeconds * 1_000;
    checkLeasesAt(leaseUntil);
    return from.map((each) => {
      each.leaseUntil = leaseUntil;
      return each.delivery;
    });
  };

  return {
    /** The order of a delivery that is out, as committed last. */
    orderOf: (id: string): StoredOrder | undefined => leases.get(id)?.order,

    seqOf: (id: string): number | undefined => leases.get(id)?.seq,

    /** The writer leased these; call `distribute` after the last of an answer. */
    add(order: StoredOrder, seq: number, redelivered: boolean): void {
      const { id: orderId, status, visit } = order;
      receipts++;
      const delivery = { orderId, status, visit, receipt: receipts.toString(36), redelivered, messageId: null };
      const each = { delivery, seq, leaseUntil: Number.POSITIVE_INFINITY, order };
      leases.set(orderId, each);
      const line = lineOf(status);
      line.spare.push(each);
      line.asked--;
    },

    distribute(): void {
      for (const [status, line] of lines) {
        if (line.spare.length === 0) continue;
        while (line.waiters.length > 0 && line.spare.length > 0) {
          const waiter = line.waiters.shift() as Waiter;
          waiter.end(handOut(line.spare.splice(0, waiter.max), waiter.leaseSeconds));
        }
        // Whoever keeps receiving comes back within a turn of the event loop; what nobody waits for is taken back.
        setImmediate(() => setImmediate(() => closed || ask(status, line)));
      }
    },

    /** A commit changed the order of a delivery: `keep` leaves it out, anything else consumes it. */
    committed(after: StoredOrder, keep: boolean): void {
      const each = leases.get(after.id);
      if (each === undefined) return;
      if (keep) {
        each.order = after;
        return;
      }
      leases.delete(after.id);
      if (each.leaseUntil < Number.POSITIVE_INFINITY) return;
      // Nobody had been given it yet.
      const { spare } = lineOf(each.delivery.status);
      spare.splice(spare.indexOf(each), 1);
    },

    /** The delivery, while it is out. */
    outOf(delivery: Delivery): { seq: number } | undefined {
      const each = leases.get(delivery.orderId);
      return each?.delivery.receipt === delivery.receipt ? each : undefined;
    },

    /** The delivery is settled. */
    settled(delivery: Delivery): void {
      if (leases.get(delivery.orderId)?.delivery.receipt === delivery.receipt) leases.delete(delivery.orderId);
    },

    async receive(options: ReceiveOptions): Promise<Delivery[]> {
      const { status, max, leaseSeconds, waitSeconds, signal } = options;
      const line = lineOf(status);
      if (signal?.aborted) return [];
      if (line.spare.length > 0) return handOut(line.spare.splice(0, max), leaseSeconds);
      return new Promise((resolve) => {
        let cancel: (() => void) | undefined;
        const waiter: Waiter = {
          max,
          leaseSeconds,
          end(deliveries) {
            cancel?.();
            signal?.removeEventListener("abort", giveUp);
            resolve(deliveries);
          },
        };
        const giveUp = () => {
          const place = line.waiters.indexOf(waiter);
          if (place < 0) return;
          line.waiters.splice(place, 1);
          ask(status, line);
          waiter.end([]);
        };
        signal?.addEventListener("abort", giveUp, { once: true });
        line.waiters.push(waiter);
        ask(status, line);
        if (waitSeconds === 0) void roundTrip().then(giveUp);
        else if (waitSeconds < Number.POSITIVE_INFINITY) cancel = clock.at(clock.now() + waitSeconds * 1_000, giveUp);
      });
    },

    /** How many leased deliveries nobody has been given yet. */
    spareOf: (status: string): number => lines.get(status)?.spare.length ?? 0,

    /** Ends everybody who waits, and asks for nothing more. What is leased already may still come: see `takeSpare`. */
    close(): void {
      closed = true;
      cancelLeaseCheck?.();
      for (const [status, line] of lines) {
        for (const waiter of line.waiters.splice(0)) waiter.end([]);
        ask(status, line);
      }
    },

    /** Takes what was leased and never handed out: of one status, or of all. */
    takeSpare(status?: string): { seq: number; visit: number }[] {
      const from = status === undefined ? [...lines.values()] : [lineOf(status)];
      return from.flatMap((line) =>
        line.spare.splice(0).map(({ seq, delivery }) => {
          leases.delete(delivery.orderId);
          return { seq, visit: delivery.visit };
        }),
      );
    },
  };
}
