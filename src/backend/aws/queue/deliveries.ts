import type { Message } from "@aws-sdk/client-sqs";
import type { Clock } from "../../../core/clock.ts";
import type { Delivery, DeliveryMode, Verdict } from "../../port.ts";
import { attributes, type Item, numberOf, orderPart, type Seen, textOf } from "../item.ts";
import { delaySecondsMax } from "../quotas.ts";
import type { Table } from "../table.ts";
import type { Groups, Lease, Leases } from "./inFlight.ts";
import { type Queue, visibilitySecondsLeft } from "./queue.ts";
import { referenceOf } from "./topic.ts";

export interface DeliveriesOptions {
  readonly mode: DeliveryMode;
  readonly clock: Clock;
  readonly table: Table;
  readonly leases: Leases;
  readonly groups: Groups;
  /** Told of a message that Cauce did not write: it is left to the queue's dead letters. */
  readonly onForeign: (messageId: string) => void;
}

/** A delivery of a message that somebody else received. */
export interface Adopted extends Delivery {
  /** Its order's last attempt began and told of no end: its handler may end the process. */
  readonly suspect: boolean;
  /** The queue's group in FIFO delivery. */
  readonly groupId: string | null;
}

export interface Deliveries {
  /** As the port's, of a delivery that no later visit supersedes. */
  settle(delivery: Delivery, verdict: Exclude<Verdict, { verdict: "superseded" }>): Promise<void>;
  /**
   * What came of one call at `receivedAt` (milliseconds since 1970), as deliveries: none of a group but its first, and
   * none whose lease has run out since.
   */
  accept(
    queue: Queue,
    status: string,
    messages: readonly Message[],
    leaseSeconds: number,
    receivedAt: number,
  ): Promise<Delivery[]>;
  /** Whether its lease lasts and nobody has answered it. */
  holds(delivery: Delivery): boolean;
  /** What somebody else received and will take off: all of it, a group's messages in their order. */
  acceptFromEventSource(
    queue: Queue,
    status: string,
    messages: readonly Message[],
    leaseSeconds: number,
  ): Promise<Adopted[]>;
  /** It was never begun: it comes again at once. */
  giveBack(delivery: Delivery): Promise<void>;
  /** Those of a group that became its first since, their leases begun anew. */
  takeReady(queue: Queue, max: number, leaseSeconds: number): Promise<Delivery[]>;
  /** The visit is over: its message goes. */
  consume(id: string, visit: number): Promise<void>;
  /** What the write of a failed attempt says of the message that comes again. */
  seenOf(id: string, visit: number): Seen | null;
  /** The visit's message comes again. */
  postpone(id: string, visit: number, notBefore: number): Promise<void>;
}

export function createDeliveries(options: DeliveriesOptions): Deliveries {
  const { mode, clock, table, leases, groups } = options;

  const secondsUntil = (at: number): number => Math.max(0, Math.ceil((at - clock.now()) / 1_000));

  /** Off the queue, and then the next of its group. */
  const take = async (lease: Lease): Promise<void> => {
    leases.end(lease);
    if (lease.deletedByEventSource) return;
    await lease.queue.delete(lease.receipt);
    groups.left(lease);
  };

  /**
   * Standard: a new message with the delay, then the old one goes; a long invisibility would count as in flight, of
   * which a queue holds 120,000. Past 15 minutes there is no message, and the sweep brings the delivery.
   *   dies between the two   the old message comes back when its lease ends, finds `notBefore`, and is put off again
   * FIFO: the message itself is invisible until then, or as long as SQS lets it, and holds back its group.
   */
  const again = async (lease: Lease, notBefore: number): Promise<void> => {
    leases.end(lease);
    const seconds = secondsUntil(notBefore);
    if (mode === "fifo") {
      // Those whose lease has run out meanwhile come by themselves, and SQS refuses to be told of them.
      const back = groups.stays(lease).filter(({ endsAt }) => endsAt > clock.now());
      const max = visibilitySecondsLeft(lease.receivedAt, clock.now());
      await lease.queue.changeVisibility(lease.receipt, Math.min(seconds, max));
      await Promise.all(back.map((each) => each.queue.changeVisibility(each.receipt, 0)));
      return;
    }
    if (seconds <= delaySecondsMax) {
      const reference = { ...lease.reference, group: null, notBefore };
      await lease.queue.send(reference, { delaySeconds: seconds, suffix: "" });
    }
    if (!lease.deletedByEventSource) await lease.queue.delete(lease.receipt);
  };

  /**
   * Standard: whether the order needs no such message any more. Sent anew, it would count as received for the first
   * time, and so come for ever, or once more with each attempt.
   */
  const isNeedless = async ({ reference, receives }: Lease): Promise<boolean> => {
    let item: Item | undefined;
    try {
      item = await table.read({ id: reference.id, part: orderPart });
    } catch {
      // A table that cannot be read says nothing of it.
      return false;
    }
    // An order is written before its message is sent, so one that is not there was removed.
    if (item === undefined || item[attributes.removed] !== undefined) return true;
    // And a change before its message: this one is of a table that was put back to an earlier time.
    if ((numberOf(item, attributes.visit) as number) < reference.visit) return true;
    // Who put the next attempt off sent a message of its own for it; where he died before that, his comes again.
    const notBefore = numberOf(item, attributes.notBefore) ?? 0;
    const isCopy = receives === 1 && reference.notBefore !== notBefore;
    return isCopy && notBefore > clock.now() && numberOf(item, attributes.visit) === reference.visit;
  };

  /** What a message's earlier receives came to, as far as the order tells. */
  const earlierOf = async (lease: Lease): Promise<{ readonly redelivered: boolean; readonly suspect: boolean }> => {
    const { reference, messageId, receives } = lease;
    if (receives === 1) return { redelivered: false, suspect: false };
    // Where the table cannot be read, neither can the order be: its delivery comes again a moment later, and so do not
    // those that came with it only when their leases are over.
    const item = await table.read({ id: reference.id, part: orderPart }).catch(() => undefined);
    if (item === undefined) return { redelivered: true, suspect: false };
    // All of them ended in an orderly way: then no worker died.
    const accountedFor =
      textOf(item, attributes.seenMessage) === messageId &&
      (numberOf(item, attributes.seenReceives) as number) >= receives - 1;
    return { redelivered: !accountedFor, suspect: item[attributes.attempting]?.BOOL === true };
  };

  const deliveryOf = async (lease: Lease): Promise<Adopted> => {
    const { reference, messageId, receipt, groupId } = lease;
    const { id, status, visit } = reference;
    return {
      ...{ orderId: id, status, visit, receipt, messageId, groupId, unattended: true },
      ...(await earlierOf(lease)),
    };
  };

  const leasesOf = (
    queue: Queue,
    status: string,
    messages: readonly Message[],
    leaseSeconds: number,
    receivedAt: number,
    deletedByEventSource: boolean,
  ): Lease[] => {
    const endsAt = receivedAt + leaseSeconds * 1_000;
    const arrived: Lease[] = [];
    for (const { Body, MessageId = "", ReceiptHandle, Attributes = {} } of messages) {
      const reference = referenceOf(Body);
      if (reference === undefined || ReceiptHandle === undefined) {
        options.onForeign(MessageId);
        continue;
      }
      arrived.push({
        reference: { ...reference, status },
        queue,
        messageId: MessageId,
        receipt: ReceiptHandle,
        receives: Number(Attributes.ApproximateReceiveCount ?? 1),
        groupId: mode === "fifo" ? (Attributes.MessageGroupId ?? null) : null,
        deletedByEventSource,
        receivedAt,
        endsAt,
      });
    }
    return arrived;
  };

  return {
    async acceptFromEventSource(queue, status, messages, leaseSeconds) {
      const accepted = leasesOf(queue, status, messages, leaseSeconds, clock.now(), true);
      for (const lease of accepted) leases.add(lease);
      return Promise.all(accepted.map(deliveryOf));
    },

    async giveBack({ receipt }) {
      const lease = leases.byReceipt(receipt);
      if (lease === undefined) return;
      leases.end(lease);
      await lease.queue.changeVisibility(receipt, 0);
    },

    async accept(queue, status, messages, leaseSeconds, receivedAt) {
      const arrived = leasesOf(queue, status, messages, leaseSeconds, receivedAt, false);
      const heads = groups.arrive(arrived.filter(({ endsAt }) => endsAt > clock.now()));
      for (const lease of heads) leases.add(lease);
      return Promise.all(heads.map(deliveryOf));
    },

    holds: ({ receipt }) => leases.byReceipt(receipt) !== undefined,

    async takeReady(queue, max, leaseSeconds) {
      const now = clock.now();
      const lasting = groups.takeReady(queue.url, max).filter((lease) => lease.endsAt > now);
      return Promise.all(
        lasting.map(async (lease) => {
          const seconds = Math.min(Math.ceil(leaseSeconds), visibilitySecondsLeft(lease.receivedAt, now));
          await queue.changeVisibility(lease.receipt, seconds);
          const renewed = { ...lease, endsAt: now + seconds * 1_000 };
          leases.add(renewed);
          return deliveryOf(renewed);
        }),
      );
    },

    async settle({ receipt }, verdict) {
      const lease = leases.byReceipt(receipt);
      if (lease === undefined) return;
      if (verdict.verdict === "done") return take(lease);
      if (mode === "standard" && (await isNeedless(lease))) return take(lease);
      if (mode === "fifo") {
        // The receive that ends here must not look like a worker that died.
        const { id, visit } = lease.reference;
        await table.update({
          Key: { id: { S: id }, part: { S: orderPart } },
          UpdateExpression: "SET #sm = :message, #sn = :receives",
          ConditionExpression: "#vi = :visit",
          ExpressionAttributeNames: {
            "#sm": attributes.seenMessage,
            "#sn": attributes.seenReceives,
            "#vi": attributes.visit,
          },
          ExpressionAttributeValues: {
            ":message": { S: lease.messageId },
            ":receives": { N: String(lease.receives) },
            ":visit": { N: String(visit) },
          },
        });
      }
      await again(lease, verdict.notBefore);
    },

    async consume(id, visit) {
      await Promise.all(leases.of(id, visit).map(take));
    },

    seenOf(id, visit) {
      const lease = leases.of(id, visit)[0];
      return lease === undefined ? null : { messageId: lease.messageId, receives: lease.receives };
    },

    async postpone(id, visit, notBefore) {
      const [first, ...others] = leases.of(id, visit);
      await Promise.all(others.map(take));
      if (first !== undefined) await again(first, notBefore);
    },
  };
}
