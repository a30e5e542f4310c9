import type { Message } from "@aws-sdk/client-sqs";
import { pause } from "../../../core/clock.ts";
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
  const { clock, meta, groups, leases, queueOf } = context;
  const underWay = new Set<Promise<unknown>>();
  /** Calls whose receive has ended. */
  const leftOver: Poll[] = [];
  /** Leases beyond what a receive asked for, by status. */
  const spare = new Map<string, Lease[]>();
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

  const acceptPoll = async ({ status, leaseSeconds, received }: Poll): Promise<Lease[]> => {
    const { messages, receivedAt } = await received;
    return accept(context, status, messages, leaseSeconds, receivedAt);
  };

  const keepSpare = (status: string, more: readonly Lease[]): void => {
    if (more.length > 0) spare.set(status, [...(spare.get(status) ?? []), ...more]);
  };

  const takeSpare = (status: string, max: number): Lease[] => {
    // A lease may have ended while the status was paused: then another process may hold the message.
    const all = (spare.get(status) ?? []).filter(({ receipt }) => leases.byReceipt(receipt) !== undefined);
    spare.delete(status);
    const taken = all.splice(0, max);
    keepSpare(status, all);
    return taken;
  };

  const putBack = (lease: Lease) => settle(context, lease, { verdict: "again", notBefore: clock.now() });

  /** Whether the call ended before a message of a group became ready. Rejects where the call does. */
  const endsFirst = async ({ status, received }: Poll): Promise<boolean> => {
    const ready = Promise.withResolvers<boolean>();
    const forget = groups.onReady(status, () => ready.resolve(false));
    return await Promise.race([received.then(() => true), ready.promise]).finally(forget);
  };

  return {
    async receive(asked: ReceiveOptions): Promise<Lease[]> {
      const { status, max, leaseSeconds, waitSeconds, signal } = asked;
      const until = clock.now() + waitSeconds * 1_000;
      const queue = await queueOf(status);
      for (;;) {
        if (closed || signal?.aborted) return [];
        const leftSeconds = (until - clock.now()) / 1_000;
        if ((await meta.paused()).has(status)) {
          if (leftSeconds <= 0) return [];
          const wakes = signal === undefined ? woken.signal : AbortSignal.any([woken.signal, signal]);
          await pause(clock, Math.min(leftSeconds, pauseLookSeconds), wakes);
          continue;
        }
        const ready = takeSpare(status, max);
        ready.push(...(await takeReady(context, status, max - ready.length, leaseSeconds)));
        if (ready.length > 0) return ready;
        const pollsSeconds = Math.max(0, Math.min(pollSeconds, Math.floor(leftSeconds)));
        const poll = takePoll(status) ?? startPoll(queue, asked, pollsSeconds);
        if (!(await endsFirst(poll))) {
          leftOver.push(poll);
          continue;
        }
        const taken = await acceptPoll(poll);
        if (taken.length > 0 && (await meta.paused()).has(status)) {
          await Promise.all(taken.map(putBack));
          continue;
        }
        // An earlier receive, which asked for more, may have made the call.
        keepSpare(status, taken.splice(max));
        if (taken.length > 0 || until - clock.now() < 1_000) return taken;
      }
    },
    /** A status was resumed in this process: receives that sleep look again. */
    resumed: wakeAll,
    /** Ends the sleeps, waits for the calls that are under way, and puts back what no receive took. */
    async close(): Promise<void> {
      closed = true;
      wakeAll();
      await Promise.allSettled(underWay);
      for (const poll of leftOver.splice(0)) keepSpare(poll.status, await acceptPoll(poll).catch(() => []));
      await Promise.allSettled([...spare.values()].flat().map(putBack));
    },
  };
}
