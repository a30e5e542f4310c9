import { AsyncLocalStorage } from "node:async_hooks";
import type { Backend, LocatedBackend } from "../backend/port.ts";
import { CauceError } from "../core/errors.ts";
import type { App } from "../core/handlers.ts";
import type { Actor } from "../core/order.ts";
import { tellWhile } from "../core/wait.ts";
import { type AnyWorkflow, retryOf, statusesOf } from "../core/workflow.ts";
import { type AppCode, enterFromCaller, enterFromHere, refuseInside } from "./appCode.ts";
import { createAttempt } from "./attempt.ts";
import { type EngineContext, markUnreadable, noObserver, type Observer, withExpiries } from "./context.ts";
import type { Engine, StartOptions } from "./engine.ts";
import { createIntake, type Intake } from "./intake.ts";
import { createMaintenance, type Maintenance } from "./maintenance/maintenance.ts";
import { createRetention } from "./maintenance/retention.ts";
import { createSweep } from "./maintenance/sweep.ts";
import { createOperatorActions } from "./operatorActions.ts";
import { createPlace } from "./place.ts";
import { polledStatuses, startPoll } from "./poll.ts";
import { createQueues, failUnknown, refuseStranded } from "./queues.ts";
import { type Handling, openHandling } from "./resources.ts";
import { createStoreHealth } from "./storeHealth.ts";

export interface EngineOptions extends Pick<EngineContext, "clock" | "random" | "log"> {
  readonly app: App;
  readonly backend: LocatedBackend;
  readonly actor: Pick<Actor, "runtime" | "name">;
  /** Told of every order that is stored and every change that is committed. */
  readonly observer?: Observer | undefined;
  /** What `start` does about orders in statuses that the workflow does not know. Default `refuse`. */
  readonly unknownStatuses?: "refuse" | "fail" | undefined;
  /**
   * How long a handler's outcome waits for a store that takes no writes, in seconds. Then the delivery comes back.
   * Default: until the engine stops.
   */
  readonly commitRetrySeconds?: number | undefined;
  /** Shared by the engines of one process that end together. Default: one of its own. */
  readonly appCode?: AppCode | undefined;
  /** How many days after their last change final orders are removed. Default: never. */
  readonly retentionDays?: number | undefined;
  /** How long the resources may take to open, in seconds. Default 60. */
  readonly startSeconds?: number | undefined;
  /** The gate that this engine shares with others. Default: its own. */
  readonly intake?: Intake | undefined;
}

/**
 * Makes the engine of one workflow over one backend. Throws `limit_exceeded` where the workflow asks for more than the
 * backend holds.
 */
export function createEngine(options: EngineOptions): Engine {
  const { app, clock, random, log, observer = noObserver, retentionDays } = options;
  const { workflow } = app;
  checkLimits(workflow, options.backend);
  const { healthChecked: backend, takesWrites } = createStoreHealth(options.backend, clock);
  const onExpiry = (expiresAt: number): void => maintenance.notice("sweep", expiresAt);
  const context: EngineContext = {
    ...{ workflow, backend, clock, random, log },
    actor: { ...options.actor, requestId: null, messageId: null },
    // A backend with `sweepSeconds` is swept at intervals, so no single order has to wake the sweep.
    observer: backend.limits.sweepSeconds === Number.POSITIVE_INFINITY ? withExpiries(observer, onExpiry) : observer,
    appCode: options.appCode ?? new AsyncLocalStorage(),
    commitRetrySeconds: options.commitRetrySeconds ?? Number.POSITIVE_INFINITY,
    intake: options.intake ?? createIntake({ clock }),
  };
  const retention = retentionDays === undefined ? [] : [createRetention(context, retentionDays)];
  const maintenance = createMaintenance(context, [createSweep(context), ...retention]);
  return {
    workflow,
    takesWrites,
    place: createPlace(context),
    async get(id) {
      const order = await backend.get(id);
      if (order?.unreadable !== undefined) await markUnreadable(context, [order]);
      return order;
    },
    where: options.backend.where,
    async list(query) {
      const page = await backend.list(query);
      await markUnreadable(context, page.items);
      return page;
    },
    failures: async () => (await backend.counts({ failures: true })).failures,
    ...createOperatorActions(context),
    ...createQueues(context),
    ...createProcessing(context, maintenance, options),
    maintain: maintenance.once,
  };
}

/** Starts and ends the processing of a workflow: by polls, or by a caller that has the deliveries. */
function createProcessing(
  context: EngineContext,
  maintenance: Maintenance,
  { app, unknownStatuses = "refuse", startSeconds }: Pick<EngineOptions, "app" | "unknownStatuses" | "startSeconds">,
): Pick<Engine, "start" | "openAttempts" | "stop"> {
  const { workflow, backend, clock, appCode } = context;
  let stopping = new AbortController();
  let stopPolls: (() => Promise<void>)[] = [];
  let handling: Handling | undefined;
  let started: Promise<void> | undefined;
  let stopped: Promise<void> | undefined;

  const begin = async ({ statuses, sweeps = true }: StartOptions) => {
    const [wanted = []] = polledStatuses([workflow], statuses);
    stopping = new AbortController();
    const { signal } = stopping;
    const { depths } = await backend.counts({ depths: true });
    const stranded = refuseStranded(workflow, depths, unknownStatuses);
    if (signal.aborted) return;
    handling = await openHandling(context, app, {
      stopping: signal,
      enter: enterFromHere(appCode),
      statuses: wanted,
      startSeconds,
    });
    if (handling === undefined) return;
    await failUnknown(context, stranded, signal);
    if (signal.aborted) return;
    stopPolls = handling.contexts.map((own) => startPoll(own, createAttempt(own)));
    // Stop it explicitly: even a sweep that was never started arms a timer for every waiting order.
    await (sweeps ? maintenance.start() : maintenance.stop());
  };

  const end = async () => {
    const drained = new AbortController();
    if (handling !== undefined) void tellWhile(clock, drained.signal, handling.tellRunning);
    await Promise.all(stopPolls.map((stop) => stop()));
    drained.abort();
    stopPolls = [];
    const closing = handling?.close();
    handling = undefined;
    await closing;
  };

  return {
    async start(options = {}) {
      refuseInside(appCode, "start");
      await (started ??= begin(options).catch(async (error) => {
        await end();
        started = undefined;
        throw error;
      }));
    },

    async openAttempts() {
      stopping = new AbortController();
      handling = await openHandling(context, app, {
        stopping: stopping.signal,
        enter: enterFromCaller(appCode),
        startSeconds,
      });
      if (handling === undefined) throw new CauceError("closed", `the engine of "${workflow.name}" is stopped`);
      const attempts = new Map(handling.contexts.map((own) => [own.status, createAttempt(own)]));
      return (delivery, onHandlerEnd, requestId) => {
        const attempt = attempts.get(delivery.status);
        if (attempt !== undefined) return attempt(delivery, onHandlerEnd, requestId);
        throw new CauceError("status_not_handled", `"${delivery.status}" is no handled status of "${workflow.name}"`);
      };
    },

    async stop() {
      refuseInside(appCode, "stop");
      await (stopped ??= (async () => {
        stopping.abort();
        await Promise.all([maintenance.stop(), started?.catch(() => {})]);
        await end();
        started = undefined;
        stopped = undefined;
      })());
    },
  };
}

function checkLimits(workflow: AnyWorkflow, { limits }: Backend): void {
  for (const [name, status] of statusesOf(workflow)) {
    const refuse = (what: string): never => {
      throw new CauceError("limit_exceeded", `workflow "${workflow.name}", status "${name}": ${what}`);
    };
    if (status.final) continue;
    const field = status.waits ? "expires.afterSeconds" : "retry.maxSeconds";
    const seconds = status.waits ? (status.expires?.afterSeconds ?? 0) : retryOf(status).maxSeconds;
    if (seconds > limits.longestDelaySeconds) {
      refuse(`${field} is ${seconds} and this backend holds a delay of at most ${limits.longestDelaySeconds} s`);
    }
    const { least, most } = limits.concurrency;
    if (status.concurrency !== undefined && (status.concurrency < least || status.concurrency > most)) {
      refuse(`concurrency is ${status.concurrency} and this backend gives ${least} to ${most}`);
    }
  }
}
