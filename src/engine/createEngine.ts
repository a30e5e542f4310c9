import type { LocatedBackend } from "../backend/backend.ts";
import type { Clock, Random } from "../core/clock.ts";
import { type Change, type DecideContext, decide } from "../core/decide.ts";
import { CauceError } from "../core/errors.ts";
import type { AnyHandler, App, LazyHandler, Log } from "../core/handlers.ts";
import type { Actor } from "../core/order.ts";
import { type HandledStatus, handledStatuses, leaseSecondsOf, statusOf, timeoutSecondsOf } from "../core/workflow.ts";
import { type Attempt, createAttempt } from "./attempt.ts";
import { createDeadlines, type Deadlines } from "./deadlines.ts";
import type { Engine, Requested, StartOptions } from "./engine.ts";
import { createIntake } from "./intake.ts";
import { checkLimits } from "./limits.ts";
import { textOf } from "./log.ts";
import { type Observer, unobserved } from "./observer.ts";
import { createOperate } from "./operate.ts";
import { createPatience } from "./patience.ts";
import { type Poll, startPoll } from "./poll.ts";
import { polledStatuses } from "./polled.ts";
import { openResources, releaseResources } from "./resources.ts";
import { createRetention } from "./retention.ts";
import { createStanding } from "./standing.ts";
import { createStoreHealth } from "./storeHealth.ts";
import { failUnknown, refuseStranded } from "./stranded.ts";
import { createSweep } from "./sweep.ts";

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
    ...createOperate({ backend, contextOf, commit: commitOther, log, onRemoved: observer.removed }),
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
