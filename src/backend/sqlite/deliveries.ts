/** Deliveries on this side of the writer: who waits for them, which are leased, and until when. */
import { atMonotonic, type Clock, createAlarm } from "../../core/clock.ts";
import type { StoredOrder } from "../../core/order.ts";
import type { Delivery, ReceiveOptions } from "../port.ts";
import { createSlotMap, type SlotMap } from "./slotMap.ts";

/** A leased delivery with its order, so that the order is not read again. */
interface Lease {
  readonly delivery: Delivery;
  readonly seq: number;
  order: StoredOrder;
  /** When the lease ends, by `clock.monotonic()`; undefined until a receive is given the delivery. */
  until: number | undefined;
}

/** One status: what its receives wait for, and what has come for them. */
interface Line {
  readonly status: string;
  readonly receivers: Receiver[];
  /** Leased for receives that have ended. The next receive gets them. */
  readonly spare: Lease[];
  /** How many more deliveries the writer may still send, of those that it was asked for. */
  asked: number;
}

interface Receiver extends Pick<ReceiveOptions, "max" | "leaseSeconds"> {
  end(deliveries: Delivery[]): void;
}

interface LeasesOptions {
  readonly clock: Clock;
  /** Tells the writer that it may lease so many more, or fewer, deliveries of a status. */
  readonly grant: (status: string, more: number) => void;
  /** Resolves once the writer has answered everything asked until now. */
  readonly roundTrip: () => Promise<void>;
  readonly onLeaseEnd: (seq: number, visit: number) => void;
}

export type WorkflowLeases = ReturnType<typeof createLeases>;

/** Keeps the leases of one workflow. At most as many orders are leased as receives have asked for. */
export function createLeases(options: LeasesOptions) {
  const { clock, grant } = options;
  const leases = createSlotMap<string, Lease>();
  const lines = new Map<string, Line>();
  let receipts = 0;
  let closed = false;

  /** Asks the writer for as many deliveries as are waited for, no more and no fewer. */
  const ask = (line: Line): void => {
    const wanted = line.receivers.reduce((sum, { max }) => sum + max, 0);
    grant(line.status, wanted - line.asked);
    line.asked = wanted;
  };

  const leaseAlarm = createAlarm(atMonotonic(clock), () => leaseAlarm.setAt(endLate(leases, options)));
  const handOut = (line: Line, { max, leaseSeconds }: Pick<ReceiveOptions, "max" | "leaseSeconds">): Delivery[] => {
    const until = clock.monotonic() + leaseSeconds * 1_000;
    leaseAlarm.setAt(until);
    return line.spare.splice(0, max).map((lease) => {
      lease.until = until;
      return lease.delivery;
    });
  };

  return {
    /** The lease of the order's delivery, with the order as committed last. */
    get: (orderId: string): Lease | undefined => leases.get(orderId),

    /** Takes what the writer leased. Call `distribute` after the last of a batch. */
    add(order: StoredOrder, seq: number, redelivered: boolean): void {
      const { id: orderId, status, visit } = order;
      receipts++;
      const delivery = { orderId, status, visit, receipt: receipts.toString(36), redelivered, messageId: null };
      const lease = { delivery, seq, order, until: undefined };
      leases.set(orderId, lease);
      const line = lineOf(lines, status);
      line.spare.push(lease);
      line.asked--;
    },

    distribute(): void {
      for (const line of lines.values()) {
        if (line.spare.length === 0) continue;
        while (line.spare.length > 0) {
          const receiver = line.receivers.shift();
          if (receiver === undefined) break;
          receiver.end(handOut(line, receiver));
        }
        // A poll that goes on receiving comes back within a turn of the event loop. What no receive waits for by then is
        // asked for no more.
        setImmediate(() => setImmediate(() => closed || ask(line)));
      }
    },

    /** A change of the order is committed, which consumes its delivery unless the delivery is kept. */
    committed(after: StoredOrder, isKept: boolean): void {
      const lease = leases.get(after.id);
      if (lease === undefined) return;
      if (isKept) lease.order = after;
      else {
        leases.delete(after.id);
        const { spare } = lineOf(lines, lease.delivery.status);
        if (lease.until === undefined) spare.splice(spare.indexOf(lease), 1);
      }
    },

    settled(lease: Lease): void {
      if (leases.get(lease.order.id) === lease) leases.delete(lease.order.id);
    },

    async receive(asked: ReceiveOptions): Promise<Delivery[]> {
      const line = lineOf(lines, asked.status);
      if (asked.signal?.aborted) return [];
      if (line.spare.length > 0) return handOut(line, asked);
      return receiveLater(line, asked, () => ask(line), options);
    },

    /** How many leased deliveries no receive has been given yet. */
    spareOf: (status: string): number => lines.get(status)?.spare.length ?? 0,

    /** Takes what was leased and never handed out: of one status, or of all. */
    takeSpare(status?: string): Lease[] {
      const from = status === undefined ? [...lines.values()] : [lineOf(lines, status)];
      const spare = from.flatMap((line) => line.spare.splice(0));
      for (const { order } of spare) leases.delete(order.id);
      return spare;
    },

    /** Ends every receive, and asks for nothing more. What is leased already may still come: see `takeSpare`. */
    close(): void {
      closed = true;
      leaseAlarm.cancel();
      for (const line of lines.values()) {
        for (const receiver of line.receivers.splice(0)) receiver.end([]);
        ask(line);
      }
    },
  };
}

function lineOf(lines: Map<string, Line>, status: string): Line {
  let line = lines.get(status);
  if (line === undefined) {
    line = { status, receivers: [], spare: [], asked: 0 };
    lines.set(status, line);
  }
  return line;
}

/** Ends the leases that are over. Gives the time at which the next one ends; Infinity where none will. */
function endLate(leases: SlotMap<string, Lease>, { clock, onLeaseEnd }: LeasesOptions): number {
  const now = clock.monotonic();
  let next = Number.POSITIVE_INFINITY;
  for (const { delivery, seq, until } of leases.values()) {
    if (until === undefined) continue;
    if (until > now) next = Math.min(next, until);
    else {
      leases.delete(delivery.orderId);
      onLeaseEnd(seq, delivery.visit);
    }
  }
  return next;
}

/** Waits for deliveries of the line, as long as the receive says. */
function receiveLater(
  { receivers }: Line,
  { max, leaseSeconds, waitSeconds, signal }: ReceiveOptions,
  ask: () => void,
  { clock, roundTrip }: LeasesOptions,
): Promise<Delivery[]> {
  return new Promise((resolve) => {
    let cancel: (() => void) | undefined;
    const receiver: Receiver = {
      max,
      leaseSeconds,
      end(deliveries) {
        cancel?.();
        signal?.removeEventListener("abort", giveUp);
        resolve(deliveries);
      },
    };
    const giveUp = () => {
      const index = receivers.indexOf(receiver);
      if (index < 0) return;
      receivers.splice(index, 1);
      ask();
      receiver.end([]);
    };
    signal?.addEventListener("abort", giveUp, { once: true });
    receivers.push(receiver);
    ask();
    if (waitSeconds === 0) void roundTrip().then(giveUp);
    else if (waitSeconds < Number.POSITIVE_INFINITY) cancel = clock.after(waitSeconds * 1_000, giveUp);
  });
}
