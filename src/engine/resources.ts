import { CauceError } from "../core/errors.ts";
import type { AnyHandler, App, HandlerContext, LazyHandler } from "../core/handlers.ts";
import { textOf } from "../core/reasons.ts";
import { late, within } from "../core/wait.ts";
import { handledStatus, handledStatuses } from "../core/workflow.ts";
import { type Enter, runAppCode } from "./appCode.ts";
import type { EngineContext } from "./context.ts";
import { createLoopWatch } from "./loopWatch.ts";
import { createDeadlines, loaderOf, type StatusContext } from "./runHandler.ts";

type Closable = { [Symbol.asyncDispose]?: unknown; [Symbol.dispose]?: unknown; close?: unknown };

/** The names that Cauce gives to handlers: a resource of such a name would never reach them. */
const taken: readonly string[] = ["signal", "idempotencyKey", "attempt", "log"] satisfies (keyof HandlerContext)[];

/** The handlers of an app while they may run. */
export interface Handling {
  /** What the attempts of each handled status share. */
  readonly contexts: readonly StatusContext[];
  /** Logs, for each status, how many handlers run and for how long at most. */
  tellRunning(): void;
  /** Ends the deadlines of the attempts, and closes the resources, for which they have 10 s. Never rejects. */
  close(): Promise<void>;
}

/** How long resources may take to open, in seconds, where nothing else is said. */
export const startSecondsDefault = 60;
const closeSeconds = 10;

interface HandlingOptions {
  /** Aborts when the engine stops. The opening ends with it. */
  readonly stopping: AbortSignal;
  /** Calls the handlers. */
  readonly enter: Enter;
  /** Default: all that the workflow handles. */
  readonly statuses?: readonly string[] | undefined;
  readonly startSeconds?: number | undefined;
}

/**
 * Opens an app's resources for its handlers. Undefined: the engine stopped first. Rejects as `openResources` does, and
 * with `resources_failed` for resources that do not open in time.
 */
export async function openHandling(
  context: EngineContext,
  app: App,
  {
    stopping,
    enter,
    statuses = handledStatuses(context.workflow),
    startSeconds = startSecondsDefault,
  }: HandlingOptions,
): Promise<Handling | undefined> {
  const { workflow, clock, log, observer } = context;
  const resources = await openInTime(context, app, stopping, startSeconds);
  if (resources === undefined) return undefined;
  const watch = createLoopWatch(clock, (blocked, milliseconds) => {
    log.warn({ workflow: workflow.name, statuses: blocked, milliseconds }, "the event loop was blocked");
    for (const status of blocked) observer.blocked(status);
  });
  const contexts = statuses.map((status) => ({
    ...context,
    status,
    definition: handledStatus(workflow, status),
    handler: loaderOf(app.handlers[status] as AnyHandler | LazyHandler<AnyHandler>),
    resources,
    enter,
    deadlines: createDeadlines(clock),
    watch,
    activity: watch.add(status),
    stopping,
  }));
  return {
    contexts,
    tellRunning() {
      for (const { status, deadlines } of contexts) {
        const { running, secondsMax } = deadlines.left();
        if (running === 0) continue;
        log.info({ workflow: workflow.name, status, running, secondsMax }, "waiting for handlers to end");
      }
    },
    async close() {
      for (const { deadlines } of contexts) deadlines.close();
      watch.close();
      await closeInTime(context, app, resources);
    },
  };
}

/** Opens the resources, or gives undefined when the engine stops first. What opens later than that is closed at once. */
async function openInTime(
  context: EngineContext,
  app: App,
  stopping: AbortSignal,
  seconds: number,
): Promise<object | undefined> {
  const { clock, log } = context;
  const workflow = app.workflow.name;
  const opening = runAppCode(context.appCode, "resources", () => openResources(app));
  const tell = () => log.info({ workflow, seconds }, "waiting for the resources to open");
  const resources = await within(opening, { clock, seconds, signal: stopping, tell });
  if (resources !== late) return resources;
  opening.then(
    (opened) => closeInTime(context, app, opened),
    (error) => log.error({ workflow, error: textOf(error) }, "resources not opened"),
  );
  if (stopping.aborted) return undefined;
  throw new CauceError(
    "resources_failed",
    `workflow "${workflow}": its \`resources\` did not open within ${seconds} s; see that what it opens can be reached, or give it more time with startSeconds (--start-seconds)`,
  );
}

/** Closes the resources, and goes on without those that do not close in time. Never rejects. */
async function closeInTime({ clock, log, appCode }: EngineContext, app: App, resources: object): Promise<void> {
  const workflow = app.workflow.name;
  let resource = "";
  const closing = runAppCode(appCode, "release", () =>
    releaseResources(app, resources, (name) => {
      resource = name;
    }),
  );
  const tell = () => log.info({ workflow, resource, seconds: closeSeconds }, "waiting for a resource to close");
  // The caller of `stop` can do nothing about a failure, and must still close the store.
  try {
    if ((await within(closing, { clock, seconds: closeSeconds, tell })) !== late) return;
    log.error({ workflow, resource, error: `it did not close within ${closeSeconds} s` }, "resources not closed");
  } catch (error) {
    log.error({ workflow, error: textOf(error) }, "resources not closed");
  }
}

/**
 * Opens what the handlers of an app share. Rejects with `resources_failed`, or `app_invalid` for a resource whose name
 * is taken.
 */
export async function openResources(app: App): Promise<object> {
  let resources: object;
  try {
    resources = (await app.resources?.()) ?? {};
  } catch (cause) {
    throw new CauceError(
      "resources_failed",
      `workflow "${app.workflow.name}": its \`resources\` did not open (${textOf(cause)}); see that what it opens can be reached, and start again`,
      { cause },
    );
  }
  const name = Object.keys(resources).find((key) => taken.includes(key));
  if (name === undefined) return resources;
  await releaseResources(app, resources);
  throw new CauceError(
    "app_invalid",
    `workflow "${app.workflow.name}": a resource is named "${name}", which handlers get from Cauce; give it another name`,
  );
}

/**
 * Closes what `resources` opened: by `release`, else each resource by its own method, the last first. `onClosing` is told
 * what is closed next.
 */
export async function releaseResources(
  app: App,
  resources: object,
  onClosing: (name: string) => void = () => {},
): Promise<void> {
  if (app.release !== undefined) {
    onClosing("release");
    await app.release(resources as never);
    return;
  }
  const faults: unknown[] = [];
  for (const [name, resource] of Object.entries(resources).reverse() as [string, Closable | null | undefined][]) {
    const close = resource?.[Symbol.asyncDispose] ?? resource?.[Symbol.dispose] ?? resource?.close;
    if (typeof close !== "function") continue;
    onClosing(name);
    try {
      await close.call(resource);
    } catch (error) {
      faults.push(error);
    }
  }
  if (faults.length > 0) throw new AggregateError(faults, faults.map(textOf).join("; "));
}
