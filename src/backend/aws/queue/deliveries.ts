import type { Message } from "@aws-sdk/client-sqs";
import type { StoredOrder } from "../../../core/order.ts";
import type { Delivery, Verdict } from "../../port.ts";
import { attributes as a, numberOf, type Seen, textOf } from "../item.ts";
import { delaySecondsMax, visibilitySecondsMax } from "../quotas.ts";
import { leaseSecondsOf, orderKey } from "../table.ts";
import type { Lease } from "./inFlight.ts";
import type { AwsContext } from "./queue.ts";
import { parseBody } from "./topic.ts";

/**
 * Takes what one call received at `receivedAt` (milliseconds since 1970). Gives the deliveries that may begin: the first
 * of each group, and none whose lease has ended since.
 */
export function accept(
  context: AwsContext,
  status: string,
  messages: readonly Message[],
  leaseSeconds: number,
  receivedAt: number,
): Promise<Lease[]> {
  const endsAt = receivedAt + leaseSeconds * 1_000;
  const leases = leasesOf(context, messages, { status, receivedAt, endsAt, deletedByEventSource: false });
  const heads = endsAt > context.clock.now() ? context.groups.arrive(leases) : [];
  return Promise.all(heads.map((lease) => handOut(context, lease)));
}

/** Takes what a Lambda event source received, and gives all of it, the messages of a group in their order. */
export async function acceptFromEventSource(
  context: AwsContext,
  status: string,
  messages: readonly Message[],
): Promise<Lease[]> {
  // A queue that is missing is told before a handler runs, and not when its message must be put off.
  await context.queueOf(status);
  const receivedAt = context.clock.now();
  const endsAt = receivedAt + leaseSecondsOf(context, status) * 1_000;
  const leases = leasesOf(context, messages, { status, receivedAt, endsAt, deletedByEventSource: true });
  return Promise.all(leases.map((lease) => handOut(context, lease)));
}

/** Gives the messages of a status that became the first of their group, each with a lease that begins now. */
export async function takeReady(
  context: AwsContext,
  status: string,
  max: number,
  leaseSeconds: number,
): Promise<Lease[]> {
  const now = context.clock.now();
  const lasting = context.groups.takeReady(status, max).filter(({ endsAt }) => endsAt > now);
  return Promise.all(
    lasting.map(async (lease) => {
      const seconds = Math.min(Math.ceil(leaseSeconds), visibilitySecondsLeft(lease.receivedAt, now));
      await changeVisibility(context, lease, seconds);
      return handOut(context, { ...lease, endsAt: now + seconds * 1_000 });
    }),
  );
}

/** Puts a delivery that was never begun back: it comes again at once. */
export async function giveBack(context: AwsContext, { receipt }: Delivery): Promise<void> {
  const lease = context.leases.byReceipt(receipt);
  if (lease === undefined) return;
  context.leases.end(lease);
  await changeVisibility(context, lease, 0);
}

/** Settles a delivery as the port says, except for one that a later visit supersedes. A lease that has ended is left alone. */
export async function settle(
  context: AwsContext,
  { receipt }: Delivery,
  verdict: Exclude<Verdict, { verdict: "superseded" }>,
): Promise<void> {
  const lease = context.leases.byReceipt(receipt);
  if (lease === undefined) return;
  if (verdict.verdict === "done") return take(context, lease);
  if (context.mode === "standard" && (await isNeedless(context, lease))) return take(context, lease);
  if (context.mode === "fifo") await noteReceives(context, lease);
  await putOff(context, lease, verdict.notBefore);
}

type OrderVisit = Pick<StoredOrder, "id" | "visit">;

/** Takes the messages of a visit that has ended off the queue. */
export async function consumeVisit(context: AwsContext, visit: OrderVisit): Promise<void> {
  await Promise.all(context.leases.ofVisit(visit).map((lease) => take(context, lease)));
}

/** Puts one message of a visit off until `notBefore` (milliseconds since 1970), and takes the others off the queue. */
export async function putOffVisit(context: AwsContext, visit: OrderVisit, notBefore: number): Promise<void> {
  const [first, ...others] = context.leases.ofVisit(visit);
  await Promise.all(others.map((lease) => take(context, lease)));
  if (first !== undefined) await putOff(context, first, notBefore);
}

/** What the write of a failed attempt notes of the message that comes again: its receives so far ended in an orderly way. */
export function seenOf({ leases }: AwsContext, visit: OrderVisit): Seen | null {
  const [first] = leases.ofVisit(visit);
  return first === undefined ? null : { messageId: first.messageId, receives: first.receives };
}

function leasesOf(
  { mode, warn }: AwsContext,
  messages: readonly Message[],
  common: Pick<Lease, "status" | "receivedAt" | "endsAt" | "deletedByEventSource">,
): Lease[] {
  const leases: Lease[] = [];
  for (const { Body, MessageId = "", ReceiptHandle, Attributes = {} } of messages) {
    const reference = parseBody(Body);
    if (reference === undefined || ReceiptHandle === undefined) {
      warn({ messageId: MessageId }, "a message that Cauce did not write; it is left to the dead letters");
      continue;
    }
    const receives = Number(Attributes.ApproximateReceiveCount ?? 1);
    leases.push({
      ...common,
      orderId: reference.id,
      visit: reference.visit,
      notBefore: reference.notBefore ?? null,
      receipt: ReceiptHandle,
      messageId: MessageId,
      groupId: mode === "fifo" ? (Attributes.MessageGroupId ?? null) : null,
      receives,
      redelivered: receives > 1,
      unattended: true,
      suspect: false,
    });
  }
  return leases;
}

/** Notes the lease, and gives it with what the order tells of earlier receives of its message. */
async function handOut({ leases, table }: AwsContext, lease: Lease): Promise<Lease> {
  leases.add(lease);
  if (lease.receives === 1) return lease;
  // Where the table cannot be read, the attempt cannot read the order either, and its delivery comes again a moment
  // later. The other messages of this receive must not wait for the end of their leases.
  const item = await table.read(orderKey(lease.orderId)).catch(() => undefined);
  if (item === undefined) return lease;
  // Where every earlier receive ended in an orderly way, no worker died.
  const accountedFor =
    textOf(item, a.seenMessage) === lease.messageId && (numberOf(item, a.seenReceives) as number) >= lease.receives - 1;
  return { ...lease, redelivered: !accountedFor, suspect: item[a.attempting]?.BOOL === true };
}

async function changeVisibility({ queueOf }: AwsContext, { status, receipt }: Lease, seconds: number): Promise<void> {
  await (await queueOf(status)).changeVisibility(receipt, seconds);
}

/** Takes a message off the queue, and lets the next one of its group be handed out. */
async function take(context: AwsContext, lease: Lease): Promise<void> {
  context.leases.end(lease);
  if (lease.deletedByEventSource) return;
  await (await context.queueOf(lease.status)).delete(lease.receipt);
  context.groups.left(lease);
}

/**
 * Lets a delivery come again at `notBefore` (milliseconds since 1970).
 *
 * Standard delivery sends a new message with the delay and deletes the old one: a message that is only hidden counts as
 * in flight, of which a queue holds 120,000. SQS delays by at most 15 minutes. For a later time no message is sent, and
 * the sweep brings the delivery.
 *   dies between the two   the old message comes back when its lease ends, and the attempt finds `notBefore` and puts
 *                          the delivery off again
 * FIFO delivery hides the message itself, for as long as SQS allows, and the message holds back its group.
 */
async function putOff(context: AwsContext, lease: Lease, notBefore: number): Promise<void> {
  const { mode, clock, leases, groups } = context;
  leases.end(lease);
  const seconds = Math.max(0, Math.ceil((notBefore - clock.now()) / 1_000));
  if (mode === "fifo") {
    // Messages whose leases have ended come back by themselves, and SQS refuses their old receipts.
    const back = groups.stays(lease).filter(({ endsAt }) => endsAt > clock.now());
    const secondsMax = visibilitySecondsLeft(lease.receivedAt, clock.now());
    await changeVisibility(context, lease, Math.min(seconds, secondsMax));
    await Promise.all(back.map((each) => changeVisibility(context, each, 0)));
    return;
  }
  const queue = await context.queueOf(lease.status);
  if (seconds <= delaySecondsMax) {
    const { orderId: id, status, visit } = lease;
    await queue.send({ id, status, visit, group: null, notBefore }, seconds);
  }
  if (!lease.deletedByEventSource) await queue.delete(lease.receipt);
}

/**
 * Standard delivery: whether the order no longer needs this message. A message that is sent again counts as received
 * for the first time, so a needless one would come for ever, or one more with each attempt.
 */
async function isNeedless({ table, clock }: AwsContext, lease: Lease): Promise<boolean> {
  const [read] = await Promise.allSettled([table.read(orderKey(lease.orderId))]);
  // A table that cannot be read says nothing of the message.
  if (read.status === "rejected") return false;
  const item = read.value;
  // An order is written before its message is sent, so an order that is not there was removed.
  if (item === undefined || item[a.removed] !== undefined) return true;
  // A change is written before its message is sent. A message of a later visit shows that the table was restored to an
  // earlier time.
  const visit = numberOf(item, a.visit) as number;
  if (visit < lease.visit) return true;
  // The worker that put the next attempt off sent a new message that carries the order's `notBefore`. A message that is
  // received for the first time without it is a copy. If the worker died before sending, its own message comes back
  // with `receives` above 1, and is kept.
  const notBefore = numberOf(item, a.notBefore) ?? 0;
  const isCopy = lease.receives === 1 && lease.notBefore !== notBefore;
  return isCopy && notBefore > clock.now() && visit === lease.visit;
}

/** FIFO delivery: notes in the order's item that this receive ended in an orderly way, so that it is not taken for a death. */
async function noteReceives({ table }: AwsContext, { orderId, visit, messageId, receives }: Lease): Promise<void> {
  await table.update(orderKey(orderId), {
    UpdateExpression: "SET #sm = :message, #sn = :receives",
    ConditionExpression: "#vi = :visit",
    ExpressionAttributeNames: { "#sm": a.seenMessage, "#sn": a.seenReceives, "#vi": a.visit },
    ExpressionAttributeValues: {
      ":message": { S: messageId as string },
      ":receives": { N: String(receives) },
      ":visit": { N: String(visit) },
    },
  });
}

// The time that the message spent in an event source before a function got it, which `receivedAt` does not show.
const beforeReceivedSeconds = 600;

/** For how many seconds from `now` on SQS can hide a message: 12 hours from its receive, less 10 minutes kept in reserve. */
function visibilitySecondsLeft(receivedAt: number, now: number): number {
  const passedSeconds = Math.ceil((now - receivedAt) / 1_000);
  return Math.max(0, visibilitySecondsMax - beforeReceivedSeconds - passedSeconds);
}
