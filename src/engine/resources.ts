import { CauceError } from "../core/errors.ts";
import type { AnyHandler, App, HandlerContext, LazyHandler } from "../core/handlers.ts";
import { handledStatus, handledStatuses } from "../core/workflow.ts";
import { runAppCode } from "./appCode.ts";
import type { EngineContext } from "./context.ts";
import { textOf } from "./log.ts";
import { createLoopWatch } from "./loopWatch.ts";
import { createDeadlines, loaderOf, type StatusContext } from "./runHandler.ts";

type Closable = { [Symbol.asyncDispose]?: unknown; [Symbol.dispose]?: unknown; close?: unknown };

/** The names that Cauce gives to handlers: a resource of such a name would never reach them. */
const taken: readonly string[] = ["signal", "idempotencyKey", "attempt", "log"] satisfies (keyof HandlerContext)[];

/** The handlers of an app while they may run. */
export interface Handling {
  /** What the attempts of each handled status share. */
  readonly contexts: readonly StatusContext[];
  /** Ends the deadlines of the attempts, and closes the resources. Never rejects. */
  close(): Promise<void>;
}

/** Opens an app's resources for the handlers of `statuses`, by default all. Rejects as `openResources` does. */
export async function openHandling(
  context: EngineContext,
  app: App,
  stopping: AbortSignal,
  statuses: readonly string[] = handledStatuses(context.workflow),
): Promise<Handling> {
  const { workflow, clock, log, observer } = context;
  const resources = await runAppCode(context.appCode, "resources", () => openResources(app));
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
    deadlines: createDeadlines(clock),
    watch,
    activity: watch.add(status),
    stopping,
  }));
  return {
    contexts,
    async close() {
      for (const { deadlines } of contexts) deadlines.close();
      watch.close();
      try {
        await runAppCode(context.appCode, "release", () => releaseResources(app, resources));
      } catch (error) {
        // The caller of `stop` can do nothing about it, and must still close the store.
        log.error({ workflow: workflow.name, error: textOf(error) }, "resources not closed");
      }
    },
  };
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

/** Closes what `resources` opened: by `release`, else each resource by its own method, the last first. */
export async function releaseResources(app: App, resources: object): Promise<void> {
  if (app.release !== undefined) {
    await app.release(resources as never);
    return;
  }
  const faults: unknown[] = [];
  for (const resource of Object.values(resources).reverse() as (Closable | null | undefined)[]) {
    const close = resource?.[Symbol.asyncDispose] ?? resource?.[Symbol.dispose] ?? resource?.close;
    if (typeof close !== "function") continue;
    try {
      await close.call(resource);
    } catch (error) {
      faults.push(error);
    }
  }
  if (faults.length > 0) throw new AggregateError(faults, faults.map(textOf).join("; "));
}
