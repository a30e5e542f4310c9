import type { Backend, Delivery } from "../backend/port.ts";
import { type Clock, pause } from "../core/clock.ts";
import { CauceError } from "../core/errors.ts";
import type { Log } from "../core/handlers.ts";
import { type AnyWorkflow, handledStatuses, statusOf } from "../core/workflow.ts";
import type { Attempt } from "./attempt.ts";
import type { StartOptions } from "./engine.ts";
import { textOf } from "./log.ts";

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
      const settlement = await attempt(delivery, release);
      if (settlement !== undefined && !settlement.consumed) await backend.settle(delivery, settlement);
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

/**
 * Which statuses each workflow is to poll: those of the wanted that it handles, or all. Throws `status_not_found` or
 * `status_not_handled` for a wanted one that none of them handles.
 */
export function polledStatuses(
  workflows: readonly AnyWorkflow[],
  wanted: readonly string[] | undefined,
): readonly (readonly string[])[] {
  const handled = workflows.map(handledStatuses);
  if (wanted === undefined) return handled;
  for (const status of wanted) {
    if (handled.some((statuses) => statuses.includes(status))) continue;
    const known = workflows.some((workflow) => statusOf(workflow, status) !== undefined);
    const names = workflows.map(({ name }) => `"${name}"`).join(", ");
    throw new CauceError(
      known ? "status_not_handled" : "status_not_found",
      `"${status}" is ${known ? "not handled" : "no status"} in ${names}; there is ${[...new Set(handled.flat())].join(", ")}`,
    );
  }
  // Once each: a status that is named twice is not polled twice.
  return handled.map((statuses) => statuses.filter((status) => wanted.includes(status)));
}

/** For users of plain JavaScript: a misspelt option would poll everything. Throws `setting_invalid`. */
export function checkStartOptions(options: StartOptions): void {
  const { statuses, sweeps = true, ...others } = options;
  for (const key of Object.keys(others)) {
    throw new CauceError("setting_invalid", `start: there is no option "${key}"; it takes statuses, sweeps`);
  }
  if (statuses !== undefined && !Array.isArray(statuses)) {
    throw new CauceError("setting_invalid", "start: statuses must be an array of names, or be left out");
  }
  if (typeof sweeps !== "boolean") throw new CauceError("setting_invalid", "start: sweeps must be true or false");
}
