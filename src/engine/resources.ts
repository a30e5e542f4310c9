import type { App } from "../core/handlers.ts";

type Closable = { [Symbol.asyncDispose]?: unknown; [Symbol.dispose]?: unknown; close?: unknown };

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
  if (faults.length > 0) throw new AggregateError(faults, `resources of "${app.workflow.name}" did not close`);
}
