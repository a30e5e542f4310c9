import type { Message } from "@aws-sdk/client-sqs";
import type { Clock } from "../../../core/clock.ts";
import type { Delivery, ReceiveOptions } from "../../port.ts";
import type { TableMeta } from "../tableMeta.ts";
import type { Deliveries } from "./deliveries.ts";
import type { Groups } from "./inFlight.ts";
import type { Queue } from "./queue.ts";

export interface ReceiverOptions {
  readonly clock: Clock;
  readonly meta: TableMeta;
  readonly groups: Groups;
  readonly deliveries: Deliveries;
  readonly queueOf: (status: string) => Promise<Queue>;
  /** How long one call of SQS waits at most, in seconds: what closing may take too, since a call is never cut off. */
  readonly pollSeconds: number;
}

export interface Receiver {
  receive(options: ReceiveOptions): Promise<Delivery[]>;
  /** A status was resumed here: who waits for it looks again. */
  resumed(): void;
  /** Ends the waits, and resolves when no call is left. */
  close(): Promise<void>;
}

const pauseLookSeconds = 5;

/**
 * Receives of SQS. A call that is under way is never cut off, since what it brings would be in flight with nobody: where
 * a receive ends before its call does, the next receive takes what the call brings.
 */
export function createReceiver(options: ReceiverOptions): Receiver {
  const { clock, meta, groups, deliveries, queueOf, pollSeconds } = options;
  interface Received {
    readonly messages: readonly Message[];
    /** When their leases began, in milliseconds since 1970: nobody may have taken them for a while. */
    readonly receivedAt: number;
  }
  interface Poll {
    readonly queue: Queue;
    readonly status: string;
    readonly leaseSeconds: number;
    readonly received: Promise<Received>;
  }
  const under: Set<Promise<unknown>> = new Set();
  const leftOver: Poll[] = [];
  const spare = new Map<string, Delivery[]>();
  const wakes = new Set<() => void>();
  let closed = false;

  const startPoll = (queue: Queue, { status, max, leaseSeconds }: ReceiveOptions, waitSeconds: number): Poll => {
    const received = queue
      .receive({ max, visibilitySeconds: Math.ceil(leaseSeconds), waitSeconds })
      .then((messages): Received => ({ messages, receivedAt: clock.now() }));
    under.add(received);
    received.catch(() => {}).finally(() => under.delete(received));
    return { queue, status, leaseSeconds, received };
  };

  /** Until something may have changed: a resume, the close, the caller's word, or so much time. */
  const pause = (seconds: number, signal: AbortSignal | undefined): Promise<void> =>
    new Promise((resolve) => {
      const end = () => {
        cancel();
        wakes.delete(end);
        signal?.removeEventListener("abort", end);
        resolve();
      };
      const cancel = clock.at(clock.now() + seconds * 1_000, end);
      wakes.add(end);
      signal?.addEventListener("abort", end);
    });

  const wakeAll = (): void => {
    for (const end of [...wakes]) end();
  };

  const takeSpare = (url: string, max: number): Delivery[] => {
    // Through a pause their leases may have ended: then they are in other hands.
    const all = (spare.get(url) ?? []).filter(deliveries.holds);
    spare.set(url, all);
    const taken = all.splice(0, max);
    if (all.length === 0) spare.delete(url);
    return taken;
  };

  /** What the poll brings; undefined when one of a group became ready first. */
  const firstOf = async (poll: Poll, queue: Queue): Promise<Received | undefined> => {
    let forget = (): void => {};
    const ready = new Promise<undefined>((resolve) => {
      forget = groups.onReady(queue.url, () => resolve(undefined));
    });
    try {
      return await Promise.race([poll.received, ready]);
    } finally {
      forget();
    }
  };

  async function receive(asked: ReceiveOptions): Promise<Delivery[]> {
    const { status, max, leaseSeconds, waitSeconds, signal } = asked;
    const until = clock.now() + waitSeconds * 1_000;
    const queue = await queueOf(status);
    for (;;) {
      if (closed || signal?.aborted) return [];
      const leftSeconds = (until - clock.now()) / 1_000;
      if (await meta.isPaused(status)) {
        if (leftSeconds <= 0) return [];
        await pause(Math.min(leftSeconds, pauseLookSeconds), signal);
        continue;
      }
      const ready = takeSpare(queue.url, max);
      ready.push(...(await deliveries.takeReady(queue, max - ready.length, leaseSeconds)));
      if (ready.length > 0) return ready;
      const at = leftOver.findIndex((each) => each.queue.url === queue.url);
      const poll =
        at >= 0
          ? (leftOver.splice(at, 1)[0] as Poll)
          : startPoll(queue, asked, Math.max(0, Math.min(pollSeconds, Math.floor(leftSeconds))));
      const received = await firstOf(poll, queue);
      if (received === undefined) {
        leftOver.push(poll);
        continue;
      }
      const taken = await deliveries.accept(queue, status, received.messages, poll.leaseSeconds, received.receivedAt);
      if (taken.length > 0) {
        if (!(await meta.isPaused(status))) {
          // What an earlier receive asked for may be more than this one can take.
          const surplus = taken.splice(max);
          if (surplus.length > 0) spare.set(queue.url, [...(spare.get(queue.url) ?? []), ...surplus]);
          return taken;
        }
        // Paused meanwhile: they go back as they came.
        await Promise.all(taken.map((each) => deliveries.settle(each, { verdict: "again", notBefore: clock.now() })));
        continue;
      }
      if (until - clock.now() < 1_000) return [];
    }
  }

  return {
    receive,
    resumed: wakeAll,
    async close() {
      closed = true;
      wakeAll();
      await Promise.allSettled([...under]);
      // What came for nobody goes back as it came.
      for (const { queue, status, leaseSeconds, received } of leftOver.splice(0)) {
        const taken = await received
          .then(({ messages, receivedAt }) => deliveries.accept(queue, status, messages, leaseSeconds, receivedAt))
          .catch(() => []);
        spare.set(queue.url, [...(spare.get(queue.url) ?? []), ...taken]);
      }
      const unwanted = [...spare.values()].flat();
      await Promise.allSettled(
        unwanted.map((each) => deliveries.settle(each, { verdict: "again", notBefore: clock.now() })),
      );
    },
  };
}
