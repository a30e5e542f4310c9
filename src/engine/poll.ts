import type { Backend, Delivery } from "../backend/backend.ts";
import type { Clock } from "../core/clock.ts";
import type { Log } from "../core/handlers.ts";
import type { Attempt } from "./attempt.ts";
import { textOf } from "./log.ts";
import { pause } from "./pause.ts";

export interface PollOptions {
  readonly status: string;
  readonly concurrency: number;
  readonly leaseSeconds: number;
  readonly backend: Backend;
  readonly clock: Clock;
  readonly attempt: Attempt;
  readonly log: Log;
}

export interface Poll {
  /** Receives no more and resolves once every attempt in hand has been committed. */
  stop(): Promise<void>;
}

const pauseAfterErrorSeconds = 1;

/** Receives the deliveries of one status and keeps at most `concurrency` handlers running. */
export function startPoll(options: PollOptions): Poll {
  const { status, concurrency, leaseSeconds, backend, clock, attempt, log } = options;
  const stopping = new AbortController();
  const waitSeconds = backend.limits.longestWaitSeconds;
  let inHand = 0;
  let onEmptyHands: (() => void) | undefined;
  let free = concurrency;
  let onFree: (() => void) | undefined;

  const handle = async (delivery: Delivery): Promise<void> => {
    let released = false;
    const release = () => {
      if (released) return;
      released = true;
      free++;
      onFree?.();
    };
    try {
      const verdict = await attempt(delivery, release);
      if (verdict !== undefined) await backend.settle(delivery, verdict);
    } catch (error) {
      // The delivery stays unsettled: it comes back when its lease runs out.
      log.error(
        { orderId: delivery.orderId, status, visit: delivery.visit, error: textOf(error) },
        "delivery not settled",
      );
    } finally {
      release();
      inHand--;
      if (inHand === 0) onEmptyHands?.();
    }
  };

  const loop = async () => {
    while (!stopping.signal.aborted) {
      if (free === 0) {
        await new Promise<void>((resolve) => {
          onFree = resolve;
        });
        onFree = undefined;
        continue;
      }
      let deliveries: Delivery[];
      try {
        deliveries = await backend.receive({ status, max: free, leaseSeconds, waitSeconds, signal: stopping.signal });
      } catch (error) {
        if (stopping.signal.aborted) return;
        log.error({ status, error: textOf(error) }, "receive failed");
        await pause(clock, pauseAfterErrorSeconds, stopping.signal);
        continue;
      }
      for (const delivery of deliveries) {
        free--;
        inHand++;
        void handle(delivery);
      }
      // Handlers that end at once give their slots back first (a tick comes after all microtasks), so that the next
      // receive asks for all of them, and still in the same turn of the event loop.
      await new Promise<void>((resolve) => process.nextTick(resolve));
    }
  };

  const ended = loop();
  const end = async (): Promise<void> => {
    stopping.abort();
    onFree?.();
    await ended;
    if (inHand === 0) return;
    await new Promise<void>((resolve) => {
      onEmptyHands = resolve;
    });
  };
  let stopped: Promise<void> | undefined;
  return {
    stop: () => (stopped ??= end()),
  };
}
