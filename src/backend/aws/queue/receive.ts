import type { Message } from "@aws-sdk/client-sqs";
import { sleep } from "../../../core/clock.ts";
import type { ReceiveOptions } from "../../port.ts";
import { accept, settle, takeReady } from "./deliveries.ts";
import type { Lease } from "./inFlight.ts";
import type { AwsContext, SqsQueue } from "./queue.ts";

/** A call of `ReceiveMessage`. */
interface Poll {
  readonly status: string;
  readonly leaseSeconds: number;
  /** What the call brought, and when: the leases begin then, though a later receive may take the messages. */
  readonly received: Promise<{ readonly messages: readonly Message[]; readonly receivedAt: number }>;
}

const pauseLookSeconds = 5;

/**
 * Receives from SQS. A call of `ReceiveMessage` is never aborted, since SQS would hide what it brings from everyone for
 * a whole lease. Where a receive ends before its call, the next receive of the status takes what the call brings.
 * `pollSeconds` is how long one call waits, and so how long closing may take.
 */
export function createReceiver(context: AwsContext, pollSeconds: number) {
  const { clock, meta, queueOf } = context;
  const underWay = new Set<Promise<unknown>>();
  /** Calls whose receive has ended. */
  const leftOver: Poll[] = [];
  const spare = createSpare(context);
  let woken = new AbortController();
  let closed = false;

  const wakeAll = (): void => {
    woken.abort();
    if (!closed) woken = new AbortController();
  };

  const startPoll = (queue: SqsQueue, { status, max, leaseSeconds }: ReceiveOptions, waitSeconds: number): Poll => {
    const received = queue
      .receive(max, Math.ceil(leaseSeconds), waitSeconds)
      .then((messages) => ({ messages, receivedAt: clock.now() }));
    underWay.add(received);
    received.catch(() => {}).finally(() => underWay.delete(received));
    return { status, leaseSeconds, received };
  };

  const takePoll = (status: string): Poll | undefined => {
    const at = leftOver.findIndex((poll) => poll.status === status);
    return at < 0 ? undefined : leftOver.splice(at, 1)[0];
  };

  return {
    async receive(asked: ReceiveOptions): Promise<Lease[]> {
      const { status, max, leaseSeconds, waitSeconds, signal } = asked;
      const until = clock.monotonic() + waitSeconds * 1_000;
      const queue = await queueOf(status);
      for (;;) {
        if (closed || signal?.aborted) return [];
        const leftSeconds = (until - clock.monotonic()) / 1_000;
        if ((await meta.paused()).has(status)) {
          if (leftSeconds <= 0) return [];
          const wakes = signal === undefined ? woken.signal : AbortSignal.any([woken.signal, signal]);
          await sleep(clock, Math.min(leftSeconds, pauseLookSeconds), wakes);
          continue;
        }
        const ready = spare.take(status, max);
        ready.push(...(await takeReady(context, status, max - ready.length, leaseSeconds)));
        if (ready.length > 0) return ready;
        const pollsSeconds = Math.max(0, Math.min(pollSeconds, Math.floor(leftSeconds)));
        const poll = takePoll(status) ?? startPoll(queue, asked, pollsSeconds);
        if (!(await endsFirst(context, poll))) {
          leftOver.push(poll);
          continue;
        }
        const taken = await acceptPoll(context, poll);
        if (taken.length > 0 && (await meta.paused()).has(status)) {
          await Promise.all(putBack(context, taken));
          continue;
        }
        // An earlier receive, which asked for more, may have made the call.
        spare.keep(status, taken.splice(max));
        if (taken.length > 0 || until - clock.monotonic() < 1_000) return taken;
      }
    },
    /** A status was resumed in this process: receives that sleep look again. */
    resumed: wakeAll,
    /** Ends the sleeps, waits for the calls that are under way, and puts back what no receive took. */
    async close(): Promise<void> {
      closed = true;
      wakeAll();
      await Promise.allSettled(underWay);
      for (const poll of leftOver.splice(0)) spare.keep(poll.status, await acceptPoll(context, poll).catch(() => []));
      await Promise.allSettled(putBack(context, spare.all()));
    },
  };
}

async function acceptPoll(context: AwsContext, { status, leaseSeconds, received }: Poll): Promise<Lease[]> {
  const { messages, receivedAt } = await received;
  return accept(context, status, messages, leaseSeconds, receivedAt);
}

/** Whether the call ended before a message of a group became ready. Rejects where the call does. */
async function endsFirst({ groups }: AwsContext, { status, received }: Poll): Promise<boolean> {
  const ready = Promise.withResolvers<boolean>();
  const forget = groups.onReady(status, () => ready.resolve(false));
  return await Promise.race([received.then(() => true), ready.promise]).finally(forget);
}

function putBack(context: AwsContext, leases: readonly Lease[]): Promise<void>[] {
  return leases.map((lease) => settle(context, lease, { verdict: "again", notBefore: context.clock.now() }));
}

/** Keeps leases beyond what a receive asked for, by status. */
function createSpare({ leases }: AwsContext) {
  const byStatus = new Map<string, Lease[]>();
  const keep = (status: string, more: readonly Lease[]): void => {
    if (more.length > 0) byStatus.set(status, [...(byStatus.get(status) ?? []), ...more]);
  };
  return {
    keep,
    take(status: string, max: number): Lease[] {
      // A lease may have ended while the status was paused: then another process may hold the message.
      const all = (byStatus.get(status) ?? []).filter(({ receipt }) => leases.byReceipt(receipt) !== undefined);
      byStatus.delete(status);
      const taken = all.splice(0, max);
      keep(status, all);
      return taken;
    },
    all: (): Lease[] => [...byStatus.values()].flat(),
  };
}
