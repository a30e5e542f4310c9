import type { Delivery } from "../backend/port.ts";
import { sleep } from "../core/clock.ts";
import { CauceError } from "../core/errors.ts";
import { textOf } from "../core/reasons.ts";
import { type AnyWorkflow, handledStatuses, leaseSecondsOf, statusOf, timeoutSecondsOf } from "../core/workflow.ts";
import type { RunAttempt } from "./attempt.ts";
import type { StartOptions } from "./engine.ts";
import type { StatusContext } from "./runHandler.ts";

const retrySeconds = 1;
/** How long a delivery that was received ahead waits for the commit that frees its slot. */
const aheadSeconds = 1;

/**
 * Receives the deliveries of one status and keeps at most `concurrency` of them in hand. The returned function ends that:
 * it receives no more, and resolves once every attempt under way has been committed.
 */
export function startPoll(own: StatusContext, attempt: RunAttempt): () => Promise<void> {
  const { status, definition, backend, clock, log, intake } = own;
  const leaseSeconds = leaseSecondsOf(definition);
  const stopping = new AbortController();
  const waitSeconds = backend.limits.longestWaitSeconds;
  const slots = createSlots(own, attempt, stopping.signal);
  let isFull = false;
  const unwatch = intake.watch({ ...slots.counts, isFull: () => isFull });

  const loop = async () => {
    while (!stopping.signal.aborted) {
      const max = slots.wanted();
      if (max <= 0) {
        await slots.changed();
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
      isFull = deliveries.length >= max;
      slots.add(deliveries);
      // Handlers that answer without waiting have ended before this tick, since a tick comes after all microtasks. So the
      // next receive asks for all of their slots, and still in the same turn of the event loop.
      await tick();
      await slots.allBegun();
    }
  };

  const ended = loop();
  const end = async (): Promise<void> => {
    stopping.abort();
    slots.wake();
    await ended;
    unwatch();
    await slots.allSettled();
  };
  let stopped: Promise<void> | undefined;
  return () => (stopped ??= end());
}

/**
 * The slots of one status. A slot is free again once its outcome is committed or given up. From the end of its handler
 * until then it is `ending`. The poll receives ahead for such slots, so that a store leases the next orders in the
 * transaction that commits the ones before:
 *
 *   handler ─ commit ─┐ slot is free ─ handler ─ commit
 *            receive ─┘
 */
function createSlots(own: StatusContext, attempt: RunAttempt, stopping: AbortSignal) {
  const { definition, backend, clock } = own;
  // Past this, a handler that begins could outlast the lease.
  const waitMilliseconds = (leaseSecondsOf(definition) - timeoutSecondsOf(definition)) * 1_000;
  const all = definition.concurrency ?? backend.limits.concurrency.default;
  let free = all;
  let ending = 0;
  const unsettled = createCount();
  /** Received ahead, until a slot is free, each with the time until which its handler may begin. */
  const waiting: { readonly delivery: Delivery; readonly until: number }[] = [];
  /** False while the store keeps outcomes waiting: then nothing is received ahead. */
  let isAhead = true;
  const { wake, changed } = createBell();

  const handle = async (delivery: Delivery): Promise<void> => {
    let isEnding = false;
    const onHandlerEnd = () => {
      if (isEnding) return;
      isEnding = true;
      ending++;
      wake();
    };
    try {
      const settlement = await attempt(delivery, onHandlerEnd);
      if (settlement !== undefined && !settlement.consumed) await backend.settle(delivery, settlement);
    } catch (error) {
      notSettled(own, delivery, error);
    } finally {
      if (isEnding) ending--;
      free++;
      isAhead = true;
      begin();
      wake();
      unsettled.less();
    }
  };

  const start = (delivery: Delivery): void => {
    free--;
    unsettled.more();
    void handle(delivery);
  };

  /** Begins the waiting deliveries that have a slot. One that has waited too long is left to its lease. */
  const begin = (): void => {
    while (free > 0) {
      const next = waiting.shift();
      if (next === undefined) return;
      if (clock.monotonic() < next.until) start(next.delivery);
    }
  };

  /**
   * Gives the store the deliveries back that have no slot. A redelivered one stays, as long as its lease allows: given
   * back, it would come as one that no worker lost.
   */
  const giveBack = (): void => {
    isAhead = false;
    for (const each of waiting.splice(0)) {
      const { delivery } = each;
      if (delivery.redelivered) waiting.push(each);
      else {
        unsettled.more();
        void backend
          .settle(delivery, { verdict: "again", notBefore: clock.now() })
          .catch((error: unknown) => notSettled(own, delivery, error))
          .finally(unsettled.less);
      }
    }
  };

  return {
    counts: { all, handling: () => all - free - ending },
    /** How many deliveries to receive. */
    wanted: (): number => free + (isAhead ? ending : 0) - waiting.length,
    changed,
    wake,
    add(deliveries: readonly Delivery[]): void {
      for (const delivery of deliveries) {
        if (free > 0) start(delivery);
        else waiting.push({ delivery, until: clock.monotonic() + waitMilliseconds });
      }
    },
    /** Resolves once what was received ahead has begun, or is given back since no slot became free in time. */
    async allBegun(): Promise<void> {
      if (waiting.length === 0) return;
      let isLate = false;
      const cancel = clock.after(aheadSeconds * 1_000, () => {
        isLate = true;
        wake();
      });
      while (waiting.length > 0 && !isLate && !stopping.aborted) await changed();
      cancel();
      if (waiting.length > 0) giveBack();
    },
    allSettled: unsettled.none,
  };
}

/** Logs that a delivery is not settled: it comes back when its lease runs out. */
function notSettled({ log, status }: StatusContext, { orderId, visit }: Delivery, error: unknown): void {
  log.error({ orderId, status, visit, error: textOf(error) }, "delivery not settled");
}

function createBell() {
  let onWake: (() => void) | undefined;
  return {
    wake: (): void => onWake?.(),
    /** Resolves at the next `wake`. */
    changed: () =>
      new Promise<void>((resolve) => {
        onWake = resolve;
      }),
  };
}

/** Counts what is under way. */
function createCount() {
  let count = 0;
  let onNone: (() => void) | undefined;
  return {
    more(): void {
      count++;
    },
    less(): void {
      count--;
      if (count === 0) onNone?.();
    },
    /** Resolves once nothing is under way. */
    async none(): Promise<void> {
      if (count === 0) return;
      await new Promise<void>((resolve) => {
        onNone = resolve;
      });
    },
  };
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
