import type { Delivery } from "../backend/port.ts";
import { sleep } from "../core/clock.ts";
import { CauceError } from "../core/errors.ts";
import { textOf } from "../core/reasons.ts";
import { type AnyWorkflow, handledStatuses, leaseSecondsOf, statusOf } from "../core/workflow.ts";
import type { RunAttempt } from "./attempt.ts";
import type { StartOptions } from "./engine.ts";
import type { StatusContext } from "./runHandler.ts";

const retrySeconds = 1;
/** How long a delivery that was received ahead waits for the commit that frees its slot. */
const aheadSeconds = 1;

/**
 * Receives the deliveries of one status and keeps at most `concurrency` of them in hand: a slot is free again once its
 * outcome is committed or given up. The returned function ends that: it receives no more, and resolves once every attempt
 * under way has been committed.
 *
 * A slot is `ending` from the end of its handler until then. The poll receives ahead for such slots, so that a store
 * leases the next orders in the transaction that commits the ones before:
 *
 *   handler ─ commit ─┐ slot is free ─ handler ─ commit
 *            receive ─┘
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
  let ending = 0;
  const unwatch = intake.watch({ all, used: () => all - free, handling: () => all - free - ending });
  /** Received ahead, until a slot is free. */
  const waiting: Delivery[] = [];
  /** False while the store keeps outcomes waiting: then nothing is received ahead. */
  let isAhead = true;
  let onSlot: (() => void) | undefined;
  const slotChanged = () =>
    new Promise<void>((resolve) => {
      onSlot = resolve;
    });

  const handle = async (delivery: Delivery): Promise<void> => {
    let isEnding = false;
    const onHandlerEnd = () => {
      if (isEnding) return;
      isEnding = true;
      ending++;
      onSlot?.();
    };
    try {
      const settlement = await attempt(delivery, onHandlerEnd);
      if (settlement !== undefined && !settlement.consumed) await backend.settle(delivery, settlement);
    } catch (error) {
      notSettled(delivery, error);
    } finally {
      if (isEnding) ending--;
      free++;
      isAhead = true;
      begin();
      onSlot?.();
      settledOne();
    }
  };
  const settledOne = (): void => {
    unsettled--;
    if (unsettled === 0) onAllSettled?.();
  };
  /** The delivery is not settled, so it comes back when its lease runs out. */
  const notSettled = ({ orderId, visit }: Delivery, error: unknown): void => {
    log.error({ orderId, status, visit, error: textOf(error) }, "delivery not settled");
  };

  /** Begins the waiting deliveries that have a slot. */
  const begin = (): void => {
    while (free > 0) {
      const delivery = waiting.shift();
      if (delivery === undefined) return;
      free--;
      unsettled++;
      void handle(delivery);
    }
  };

  /**
   * Gives the store the deliveries back whose slot did not become free in time, or that a stop found without a slot. A
   * redelivered one stays: given back, it would come as one that no worker lost.
   */
  const giveBack = (): void => {
    for (const delivery of waiting.splice(0)) {
      if (delivery.redelivered) waiting.push(delivery);
      else {
        unsettled++;
        void backend
          .settle(delivery, { verdict: "again", notBefore: clock.now() })
          .catch((error: unknown) => notSettled(delivery, error))
          .finally(settledOne);
      }
    }
  };

  /** Resolves once every waiting delivery has begun or is given back. */
  const allBegun = async (): Promise<void> => {
    let isLate = false;
    const cancel = clock.after(aheadSeconds * 1_000, () => {
      isLate = true;
      onSlot?.();
    });
    while (waiting.length > 0 && !isLate && !stopping.signal.aborted) await slotChanged();
    cancel();
    if (waiting.length === 0) return;
    isAhead = false;
    giveBack();
  };

  const loop = async () => {
    while (!stopping.signal.aborted) {
      const max = free + (isAhead ? ending : 0) - waiting.length;
      if (max <= 0) {
        await slotChanged();
        // Slots change together, such as those of one transaction. After this tick the receive asks for all of them.
        await tick();
        continue;
      }
      let deliveries: Delivery[];
      try {
        deliveries = await backend.receive({ status, max, leaseSeconds, waitSeconds, signal: stopping.signal });
      } catch (error) {
        if (stopping.signal.aborted) return;
        log.error({ status, error: textOf(error) }, "receive failed");
        await sleep(clock, retrySeconds, stopping.signal);
        continue;
      }
      waiting.push(...deliveries);
      begin();
      // Handlers that answer without waiting have ended before this tick, since a tick comes after all microtasks. So the
      // next receive asks for all of their slots, and still in the same turn of the event loop.
      await tick();
      if (waiting.length > 0) await allBegun();
    }
  };

  const ended = loop();
  const end = async (): Promise<void> => {
    stopping.abort();
    onSlot?.();
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

/** Resolves after all microtasks, in this turn of the event loop. */
function tick(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve));
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
