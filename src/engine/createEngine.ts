import type { Backend, LocatedBackend } from "../backend/port.ts";
import type { Clock, Random } from "../core/clock.ts";
import { type Change, type DecideContext, decide } from "../core/decide.ts";
import { CauceError } from "../core/errors.ts";
import type { AnyHandler, App, LazyHandler, Log } from "../core/handlers.ts";
import type { Actor } from "../core/order.ts";
import {
  type AnyWorkflow,
  type HandledStatus,
  handledStatuses,
  leaseSecondsOf,
  retryOf,
  type StatusDefinition,
  statusOf,
  timeoutSecondsOf,
} from "../core/workflow.ts";
import { type Attempt, createAttempt } from "./attempt.ts";
import type { Call, Engine, StartOptions } from "./engine.ts";
import { textOf } from "./log.ts";
import { createRetention } from "./maintenance/retention.ts";
import { createSweep } from "./maintenance/sweep.ts";
import { createOperate } from "./operatorActions.ts";
import { createIntake } from "./place.ts";
import { type Poll, polledStatuses, startPoll } from "./poll.ts";
import { createStanding, failUnknown, refuseStranded } from "./queues.ts";
import { openResources, releaseResources } from "./resources.ts";
import { createDeadlines, type Deadlines } from "./runHandler.ts";
import { createPatience, createStoreHealth } from "./storeHealth.ts";
import { type Observer, unobserved } from "./telemetry/observer.ts";

export interface EngineOptions {
  readonly app: App;
  readonly backend: LocatedBackend;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly actor: Pick<Actor, "runtime" | "name">;
  /** Told of every order that is stored and every change that is committed. */
  readonly observer?: Observer | undefined;
  /** What `start` does about orders in statuses that the workflow does not know. Default `refuse`. */
  readonly unknownStatuses?: "refuse" | "fail" | undefined;
  /**
   * How long a handler's outcome waits for a store that takes no writes, in seconds; then its delivery comes back.
   * Default: until the engine stops.
   */
  readonly commitPatienceSeconds?: number | undefined;
  /** Final orders are removed that many days after their last change. Default: never. */
  readonly retentionDays?: number | undefined;
}

/** One workflow at work: intake, poll loops, sweep and operations over one backend. Throws `limit_exceeded` where the workflow asks for more than the backend holds. */
export function createEngine(options: EngineOptions): Engine {
  const { app, clock, random, log, actor, observer = unobserved } = options;
  const { workflow } = app;
  checkLimits(workflow, options.backend);
  const { backend, takesWrites } = createStoreHealth({ backend: options.backend, clock });
  let ending = new AbortController();
  let polls: Poll[] = [];
  let deadlines: Deadlines[] = [];
  let resources: object | undefined;
  let started: Promise<void> | undefined;
  let stopped: Promise<void> | undefined;

  const contextOf = (from?: Partial<Call>): DecideContext => ({
    workflow,
    now: clock.now(),
    random,
    by: { ...actor, requestId: from?.requestId ?? null, messageId: null },
    resultsBytesMax: backend.limits.dataBytesMax,
  });

  // Not async: nothing expires on the way of most changes, and then there is nothing to wait for.
  const commit: Backend["commit"] = (change, delivery) => {
    const { expiresAt } = change.after;
    const committing = backend.commit(change, delivery);
    if (expiresAt === null) return committing;
    return committing.then((committed) => {
      if (committed === "committed") noticeExpiry(expiresAt);
      return committed;
    });
  };

  /** A change that no attempt made. */
  const commitOther = async (change: Change): Promise<"committed" | "stale"> => {
    const committed = await commit(change);
    if (committed === "committed") observer.changed(change, undefined);
    return committed;
  };

  const commitAgain = createPatience({
    commit,
    clock,
    log,
    patienceSeconds: options.commitPatienceSeconds ?? Number.POSITIVE_INFINITY,
    ending: () => ending.signal,
  });

  const sweep = createSweep({
    backend,
    clock,
    log,
    async apply(order, outcome) {
      const decision = decide(order, outcome, contextOf());
      if ("change" in decision) await commitOther(decision.change);
    },
  });

  // A backend that is swept every so often says of each order by itself when it is due.
  const noticeExpiry = backend.limits.sweepSeconds === Number.POSITIVE_INFINITY ? sweep.notice : () => {};

  const { retentionDays: days } = options;
  const retention =
    days === undefined
      ? undefined
      : createRetention({ workflow: workflow.name, days, backend, clock, log, onRemoved: observer.removed });

  const attemptOf = (status: string, opened: object): Attempt => {
    const own = createDeadlines(clock);
    deadlines.push(own);
    return createAttempt({
      workflow,
      status,
      timeoutSeconds: timeoutSecondsOf(statusOf(workflow, status) as HandledStatus),
      handler: loaderOf(app.handlers[status] as AnyHandler | LazyHandler<AnyHandler>),
      resources: opened,
      backend,
      clock,
      random,
      log,
      actor,
      deadlines: own,
      commit,
      commitAgain,
      observer,
    });
  };

  const startStatus = (status: string, opened: object): Poll => {
    const definition = statusOf(workflow, status) as HandledStatus;
    return startPoll({
      status,
      concurrency: definition.concurrency ?? backend.limits.concurrency.default,
      leaseSeconds: leaseSecondsOf(definition),
      backend,
      clock,
      attempt: attemptOf(status, opened),
      log,
    });
  };

  const begin = async ({ statuses, sweeps = true }: StartOptions) => {
    const [wanted = []] = polledStatuses([workflow], statuses);
    ending = new AbortController();
    const { signal } = ending;
    const { depths } = await backend.counts({ depths: true });
    const stranded = refuseStranded(workflow, depths, options.unknownStatuses ?? "refuse");
    const opened = await openResources(app);
    resources = opened;
    await failUnknown(stranded, {
      backend,
      log,
      apply: async (order) => {
        const decision = decide(order, { kind: "unknown" }, contextOf());
        if ("change" in decision) await commitOther(decision.change);
      },
    });
    if (signal.aborted) return;
    polls = wanted.map((status) => startStatus(status, opened));
    // Stopped and not only left: it would wake by itself for each order that waits.
    if (!sweeps) return sweep.stop();
    await sweep.start();
    if (!signal.aborted) retention?.start();
  };

  const end = async () => {
    await Promise.all(polls.map((poll) => poll.stop()));
    for (const each of deadlines) each.close();
    polls = [];
    deadlines = [];
    const opened = resources;
    resources = undefined;
    if (opened === undefined) return;
    try {
      await releaseResources(app, opened);
    } catch (error) {
      // Whoever stops can do nothing about it, and the store must be closed all the same.
      log.error({ workflow: workflow.name, error: textOf(error) }, "resources not closed");
    }
  };

  return {
    workflow,
    place: createIntake({ workflow, backend, clock, actor, observer, onExpiry: noticeExpiry }),
    takesWrites,
    get: backend.get,
    where: options.backend.where,
    list: backend.list,
    ...createOperate({
      workflow: workflow.name,
      backend,
      contextOf,
      commit: commitOther,
      log,
      onRemoved: observer.removed,
    }),
    failures: async () => (await backend.counts({ failures: true })).failures,

    ...createStanding({ workflow, backend, log }),

    async attend() {
      ending = new AbortController();
      const opened = await openResources(app);
      resources = opened;
      const attempts = new Map(handledStatuses(workflow).map((status) => [status, attemptOf(status, opened)]));
      return (delivery, onHandlerEnd) => {
        const attempt = attempts.get(delivery.status);
        if (attempt !== undefined) return attempt(delivery, onHandlerEnd);
        throw new CauceError("status_not_handled", `"${delivery.status}" is no handled status of "${workflow.name}"`);
      };
    },

    sweep: sweep.once,
    removeOld: async (goOn) => retention?.once(goOn) ?? 0,

    start(startOptions = {}) {
      started ??= begin(startOptions).catch(async (error) => {
        await end();
        started = undefined;
        throw error;
      });
      return started;
    },

    stop() {
      stopped ??= (async () => {
        ending.abort();
        await Promise.all([sweep.stop(), started?.catch(() => {})]);
        await retention?.stop();
        await end();
        started = undefined;
        stopped = undefined;
      })();
      return stopped;
    },
  };
}

function loaderOf(handler: AnyHandler | LazyHandler<AnyHandler>): () => AnyHandler | Promise<AnyHandler> {
  if (typeof handler === "function") return () => handler;
  let loaded: AnyHandler | undefined;
  let loading: Promise<AnyHandler> | undefined;
  const load = async () => {
    const module = await handler.lazy();
    if (typeof module?.default !== "function") {
      throw new CauceError(
        "app_invalid",
        "a lazy handler's module has no function as its default export; add `export default`",
      );
    }
    loaded = module.default;
    return loaded;
  };
  const loadOnce = () => {
    // One that failed is loaded again, by the next attempt.
    loading ??= load().finally(() => {
      loading = undefined;
    });
    return loading;
  };
  return () => loaded ?? loadOnce();
}

/** Throws `limit_exceeded` where the workflow asks for more than the backend holds. */
export function checkLimits(workflow: AnyWorkflow, { limits }: Backend): void {
  for (const [name, status] of Object.entries(workflow.statuses as Record<string, StatusDefinition>)) {
    const refuse = (what: string): never => {
      throw new CauceError("limit_exceeded", `workflow "${workflow.name}", status "${name}": ${what}`);
    };
    if (status.final) continue;
    const delays = status.waits
      ? { "expires.afterSeconds": status.expires?.afterSeconds ?? 0 }
      : { "retry.maxSeconds": retryOf(status).maxSeconds };
    for (const [field, seconds] of Object.entries(delays)) {
      if (seconds > limits.longestDelaySeconds) {
        refuse(`${field} is ${seconds} and this backend holds a delay of at most ${limits.longestDelaySeconds} s`);
      }
    }
    const { least, most } = limits.concurrency;
    if (status.concurrency !== undefined && (status.concurrency < least || status.concurrency > most)) {
      refuse(`concurrency is ${status.concurrency} and this backend gives ${least} to ${most}`);
    }
  }
}
