import type { Backend } from "../backend/backend.ts";
import type { Clock, Random } from "../core/clock.ts";
import { type Change, type DecideContext, decide } from "../core/decide.ts";
import { CauceError } from "../core/errors.ts";
import type { AnyHandler, App, LazyHandler, Log } from "../core/handlers.ts";
import type { Actor } from "../core/order.ts";
import {
  type AnyWorkflow,
  type HandledStatus,
  handledStatuses,
  retryOf,
  type StatusDefinition,
  statusOf,
  timeoutSecondsOf,
} from "../core/workflow.ts";
import { createAttempt } from "./attempt.ts";
import { createDeadlines, type Deadlines } from "./deadlines.ts";
import type { Engine, Requested } from "./engine.ts";
import { createIntake } from "./intake.ts";
import { textOf } from "./log.ts";
import { type Observer, unobserved } from "./observer.ts";
import { createOperate } from "./operate.ts";
import { pause } from "./pause.ts";
import { type Poll, startPoll } from "./poll.ts";
import { openResources, releaseResources } from "./resources.ts";
import { createRetention } from "./retention.ts";
import { createStanding } from "./standing.ts";
import { createStoreHealth } from "./storeHealth.ts";
import { failUnknown, refuseStranded } from "./stranded.ts";
import { createSweep } from "./sweep.ts";

export interface EngineOptions {
  readonly app: App;
  readonly backend: Backend;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly actor: Pick<Actor, "runtime" | "name">;
  /** Told of every order that is stored and every change that is committed. */
  readonly observer?: Observer | undefined;
  /** What `start` does about orders in statuses that the workflow does not know. Default `refuse`. */
  readonly unknownStatuses?: "refuse" | "fail";
  /** Final orders are removed that many days after their last change. Default: never. */
  readonly retentionDays?: number | undefined;
}

/** A lease is six times the time that an attempt may take, as AWS advises for a queue's visibility timeout. */
const leasePerTimeout = 6;
const commitPauseSeconds = 1;

/** One workflow at work: intake, poll loops, sweep and operations over one backend. Throws `limit_exceeded` where the workflow asks for more than the backend holds. */
export function createEngine(options: EngineOptions): Engine {
  const { app, backend, clock, random, log, actor, observer = unobserved } = options;
  const { workflow } = app;
  checkLimits(workflow, backend);
  const health = createStoreHealth({ backend, clock });
  let ending = new AbortController();
  let polls: Poll[] = [];
  let deadlines: Deadlines[] = [];
  let resources: object | undefined;
  let started: Promise<void> | undefined;
  let stopped: Promise<void> | undefined;

  const contextOf = (from?: Requested): DecideContext => ({
    workflow,
    now: clock.now(),
    random,
    by: { ...actor, requestId: from?.requestId ?? null, messageId: null },
    resultsBytesMax: backend.limits.dataBytesMax,
  });

  // Not async: nothing expires on the way of most changes, and then there is nothing to wait for.
  const commit = (change: Change): Promise<"committed" | "stale"> => {
    const { expiresAt } = change.after;
    const committing = backend.commit(change);
    if (expiresAt === null) return committing;
    return committing.then((committed) => {
      if (committed === "committed") sweep.notice(expiresAt);
      return committed;
    });
  };

  /** A change that no attempt made. */
  const commitOther = async (change: Change): Promise<"committed" | "stale"> => {
    const committed = await commit(change);
    if (committed === "committed") observer.changed(change, undefined);
    return committed;
  };

  /** A handler has run and its outcome must not be lost to a store that is full for a while. */
  const commitPatiently = (change: Change) => commit(change).catch((error: unknown) => commitAgain(change, error));

  const commitAgain = async (change: Change, first: unknown): Promise<"committed" | "stale" | undefined> => {
    for (let error = first, tries = 0; ; tries++) {
      health.refused(error);
      if (!isPassing(error) || ending.signal.aborted) {
        log.error({ orderId: change.before.id, error: String(error) }, "change not committed; the delivery comes back");
        return undefined;
      }
      if (tries === 0)
        log.warn({ orderId: change.before.id, code: error.code }, "the store takes no writes; trying again");
      await pause(clock, commitPauseSeconds, ending.signal);
      try {
        const committed = await commit(change);
        health.took();
        return committed;
      } catch (next) {
        error = next;
      }
    }
  };

  const sweep = createSweep({
    backend,
    clock,
    log,
    async apply(order, outcome) {
      const decision = decide(order, outcome, contextOf());
      if ("change" in decision) await commitOther(decision.change);
    },
  });

  const { retentionDays: days } = options;
  const retention =
    days === undefined
      ? undefined
      : createRetention({ workflow: workflow.name, days, backend, clock, log, onRemoved: observer.removed });

  const startStatus = (status: string, opened: object): Poll => {
    const definition = statusOf(workflow, status) as HandledStatus;
    const timeoutSeconds = timeoutSecondsOf(definition);
    const own = createDeadlines(clock);
    deadlines.push(own);
    const attempt = createAttempt({
      workflow,
      status,
      timeoutSeconds,
      handler: loaderOf(app.handlers[status] as AnyHandler | LazyHandler<AnyHandler>),
      resources: opened,
      backend,
      clock,
      random,
      log,
      actor,
      deadlines: own,
      commit: commitPatiently,
      observer,
    });
    const concurrency = definition.concurrency ?? backend.limits.concurrency.default;
    return startPoll({
      status,
      concurrency,
      leaseSeconds: timeoutSeconds * leasePerTimeout,
      backend,
      clock,
      attempt,
      log,
    });
  };

  const begin = async () => {
    ending = new AbortController();
    const { signal } = ending;
    const stranded = refuseStranded(workflow, await backend.depths(), options.unknownStatuses ?? "refuse");
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
    polls = handledStatuses(workflow).map((status) => startStatus(status, opened));
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
    place: createIntake({ workflow, backend, clock, actor, observer, health, onExpiry: sweep.notice }),
    takesWrites: health.takesWrites,
    get: backend.get,
    list: backend.list,
    ...createOperate({ backend, contextOf, commit: commitOther, log, onRemoved: observer.removed }),
    failures: backend.failures,

    ...createStanding({ workflow, backend, log }),

    start() {
      started ??= begin().catch(async (error) => {
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

function checkLimits(workflow: AnyWorkflow, { limits }: Backend): void {
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

/** A store that is full or away for a while, and may take the same again. */
function isPassing(error: unknown): error is CauceError {
  return error instanceof CauceError && (error.code === "store_full" || error.code === "store_unavailable");
}
