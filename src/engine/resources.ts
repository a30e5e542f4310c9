import { CauceError } from "../core/errors.ts";
import type { App, HandlerContext } from "../core/handlers.ts";
import { textOf } from "./log.ts";

type Closable = { [Symbol.asyncDispose]?: unknown; [Symbol.dispose]?: unknown; close?: unknown };

/** What handlers get from Cauce under these names, a resource would never reach them. */
const taken: readonly string[] = ["signal", "idempotencyKey", "attempt", "log"] satisfies (keyof HandlerContext)[];

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

/** Closes what `resources` opened: by `release`, else each resource's own way, the last first. */
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
