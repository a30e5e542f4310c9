import type { Delivery } from "../backend/port.ts";
import { sleep } from "../core/clock.ts";
import { CauceError } from "../core/errors.ts";
import { type AnyWorkflow, handledStatuses, leaseSecondsOf, statusOf } from "../core/workflow.ts";
import type { RunAttempt } from "./attempt.ts";
import type { StartOptions } from "./engine.ts";
import type { Slots } from "./intake.ts";
import { textOf } from "./log.ts";
import type { StatusContext } from "./runHandler.ts";

const retrySeconds = 1;

/**
 * Receives the deliveries of one status and keeps at most `concurrency` handlers running. The returned function ends
 * that: it receives no more, and resolves once every attempt under way has been committed.
 */
export function startPoll(own: StatusContext, attempt: RunAttempt): () => Promise<void> {
  const { status, definition, backend, clock, log, intake } = own;
  const leaseSeconds = leaseSecondsOf(definition);
  const stopping = new AbortController();
  const waitSeconds = backend.limits.longestWaitSeconds;
  let unsettled = 0;
  let onAllSettled: (() => void) | undefined;
  const all = definition.concurrency ?? backend.limits.concurrency.default;
  let free = all;
  const slots: Slots = { all, used: 0, handling: 0 };
  const unwatch = intake.watch(slots);
  let onFree: (() => void) | undefined;

  const handle = async (delivery: Delivery): Promise<void> => {
    let released = false;
    const release = () => {
      if (released) return;
      released = true;
      slots.handling--;
      free++;
      onFree?.();
    };
    try {
      const settlement = await attempt(delivery, release);
      if (settlement !== undefined && !settlement.consumed) await backend.settle(delivery, settlement);
    } catch (error) {
      // The delivery is not settled, so it comes back when its lease runs out.
      log.error(
        { orderId: delivery.orderId, status, visit: delivery.visit, error: textOf(error) },
        "delivery not settled",
      );
    } finally {
      release();
      slots.used--;
      unsettled--;
      if (unsettled === 0) onAllSettled?.();
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
        await sleep(clock, retrySeconds, stopping.signal);
        continue;
      }
      for (const delivery of deliveries) {
        free--;
        slots.used++;
        slots.handling++;
        unsettled++;
        void handle(delivery);
      }
      // Handlers that end without waiting give their slots back before this tick, since a tick comes after all
      // microtasks. So the next receive asks for all of them, and still in the same turn of the event loop.
      await new Promise<void>((resolve) => process.nextTick(resolve));
    }
  };

  const ended = loop();
  const end = async (): Promise<void> => {
    stopping.abort();
    onFree?.();
    await ended;
    unwatch();
    if (unsettled === 0) return;
    await new Promise<void>((resolve) => {
      onAllSettled = resolve;
    });
  };
  let stopped: Promise<void> | undefined;
  return () => (stopped ??= end());
}

/**
 * Gives the statuses that each workflow is to poll: those of `wanted` that it handles, or all where `wanted` is
 * undefined. Throws `status_not_found` or `status_not_handled` for a wanted status that no workflow handles.
 */
export function polledStatuses(workflows: readonly AnyWorkflow[], wanted: readonly string[] | undefined): string[][] {
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
  // A status that is named twice is polled once.
  return handled.map((statuses) => statuses.filter((status) => wanted.includes(status)));
}

/** Checks the options of `start`, for users of plain JavaScript. Throws `setting_invalid`. */
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
