import { AsyncLocalStorage } from "node:async_hooks";
import { hostname } from "node:os";
import type { BackendFactoryOptions, DeliveryMode, LocatedBackend } from "../backend/port.ts";
import { type Clock, type Random, systemClock } from "../core/clock.ts";
import { CauceError } from "../core/errors.ts";
import { type App, isApp, type Log } from "../core/handlers.ts";
import type { Actor } from "../core/order.ts";
import { leasesOf } from "../core/workflow.ts";
import type { AppCode } from "./appCode.ts";
import { type Callback, guardCallbacks } from "./callbacks.ts";
import type { Observer } from "./context.ts";
import { createEngine, type EngineOptions } from "./createEngine.ts";
import type { Engine } from "./engine.ts";
import { createIntake, type Intake } from "./intake.ts";

interface OpenOptions<B extends LocatedBackend>
  extends Omit<EngineOptions, "app" | "backend" | "observer" | "clock" | "random" | "actor" | "intake" | "appCode"> {
  /** What `implement` returned, one or several with different workflow names. */
  readonly apps: App | readonly App[];
  /** Called once for each workflow. */
  readonly backend: (options: BackendFactoryOptions) => B | Promise<B>;
  /** Default: the delivery that the store has; `standard` for a new store. */
  readonly delivery?: DeliveryMode | undefined;
  /** Default: the machine's clock. */
  readonly clock?: Clock | undefined;
  /** Default: `Math.random`. */
  readonly random?: Random | undefined;
  /** Default: runtime `node` and the host's name. */
  readonly actor?: Pick<Actor, "runtime" | "name"> | undefined;
  /** Gives the observer of a workflow. Default: none. */
  readonly observerOf?: ((workflow: string, backend: B) => Observer | Promise<Observer>) | undefined;
  /** Hears of each call of the log or of an observer that failed. */
  readonly onFailedCallback?: ((callback: Callback) => void) | undefined;
  /** Gives what is told of each transaction of a workflow's store, by backends that have transactions. */
  readonly onBatchOf?: ((workflow: string) => BackendFactoryOptions["onBatch"]) | undefined;
}

export interface OpenWorkflows<B extends LocatedBackend> {
  /** In the order of the apps. */
  readonly workflows: readonly { readonly engine: Engine; readonly backend: B }[];
  /** The log that was given, guarded: it never throws. */
  readonly log: Log;
  /** The gate that the placings of all these workflows pass. */
  readonly intake: Intake;
  /** Knows which code of the apps a call or a rejection comes from. */
  readonly appCode: AppCode;
  /** Closes every store, and stops no engine. Rejects with the first error once all have ended. */
  close(): Promise<void>;
}

/**
 * Opens the stores of several workflows, and makes an engine over each. No engine starts. Where one workflow fails, it
 * closes the stores that it opened. Rejects with `app_invalid`, `limit_exceeded` and as the backend's factory does.
 */
export async function openWorkflows<B extends LocatedBackend>(options: OpenOptions<B>): Promise<OpenWorkflows<B>> {
  const { clock = systemClock(), random = Math.random, actor = { runtime: "node", name: hostname() } } = options;
  const apps = [options.apps].flat() as readonly App[];
  refuseTwins(apps);
  const guard = guardCallbacks(options.log, options.onFailedCallback);
  const { log } = guard;
  const intake = createIntake({ clock });
  const backends: B[] = [];
  const appCode: AppCode = new AsyncLocalStorage();
  const openOne = async (app: App) => {
    const { name } = app.workflow;
    const leaseSeconds = leasesOf(app.workflow);
    const onBatch = guard.onBatch(options.onBatchOf?.(name));
    const onOpening = (step: string, seconds: number) => log.info({ workflow: name, step, seconds }, "opening");
    const { delivery } = options;
    const backend = await options.backend({ workflow: name, delivery, clock, onBatch, onOpening, leaseSeconds });
    backends.push(backend);
    tellOpened(app, backend, log);
    const given = await options.observerOf?.(name, backend);
    const observer = given && guard.observer(given);
    const shared = { clock, random, actor, log, intake, appCode };
    return { engine: createEngine({ ...options, ...shared, app, backend, observer }), backend };
  };
  const close = async (): Promise<void> => {
    await ended(backends.map((backend) => backend.close()));
  };
  try {
    return { workflows: await ended(apps.map(openOne)), log, intake, appCode, close };
  } catch (error) {
    await close().catch(() => {});
    throw error;
  }
}

/** Says when a store can be read by others, when it changed its delivery, and when its delivery does nothing for it. */
function tellOpened({ workflow }: App, backend: LocatedBackend, log: EngineOptions["log"]): void {
  const { delivery, requeued, openToOthers: path } = backend;
  if (path !== undefined) {
    log?.warn({ workflow: workflow.name, path }, "other users of this machine may read the orders; chmod go= the file");
  }
  if (requeued !== undefined && requeued !== null) {
    const before = delivery === "fifo" ? "standard" : "fifo";
    log?.warn(
      { workflow: workflow.name, delivery, before, orders: requeued },
      "the store changed to the other delivery, and queued the orders that have a group again",
    );
  }
  if (delivery === "fifo" && workflow.group === undefined) {
    log?.warn(
      { workflow: workflow.name, delivery },
      "fifo delivery keeps the order of each group, and the workflow has no groups; give it `group`, or standard delivery",
    );
  }
}

/** Waits for all of it, also where a part fails. When it rejects, nothing is under way any more. */
export async function ended<T>(work: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(work);
  return Promise.all(work);
}

/** Throws `app_invalid` for no app, for what is no app, and for two apps with one workflow name. */
function refuseTwins(apps: readonly App[]): void {
  if (apps.length === 0) throw new CauceError("app_invalid", "apps is empty; give what implement returned");
  if (!apps.every(isApp)) throw new CauceError("app_invalid", "apps must hold what implement returned");
  const names = apps.map((app) => app.workflow.name);
  for (const [index, name] of names.entries()) {
    if (names.indexOf(name) !== index)
      throw new CauceError("app_invalid", `two apps have the workflow name "${name}"; give each its own`);
  }
}
