import type { App } from "../core/handlers.ts";
import { jsonLog } from "../engine/log.ts";
import { functionName, readFunctionSettings } from "../node/readSettings.ts";
import { createFigures } from "./metrics.ts";
import { type Invocation, openEngines, openOnce } from "./open.ts";

/** What one step of the sweep takes at most, with room: after that the next invocation goes on. */
const stepMilliseconds = 15_000;

export interface Swept {
  /** How many overdue orders were moved or queued. */
  readonly swept: number;
  /** How many old orders were removed, where `CAUCE_RETENTION_DAYS` lets any go. */
  readonly removed?: number;
}

/**
 * The handler of the function that the schedule calls: looks once through what is overdue, then removes what is too
 * old, as long as its time lasts.
 */
export function sweepHandler(apps: App | readonly App[]): (event: unknown, invocation: Invocation) => Promise<Swept> {
  const log = jsonLog((line) => process.stdout.write(line));
  const settings = readFunctionSettings();
  const figures = createFigures(settings, (line) => process.stdout.write(line));
  const open = openOnce(() => openEngines(apps, settings, { log, name: functionName() }));
  return async (_event, invocation) => {
    const engines = await open();
    const goOn = () => invocation.getRemainingTimeInMillis() > stepMilliseconds;
    let swept = 0;
    let removed = 0;
    const errors: unknown[] = [];
    for (const { app, engine } of engines) {
      const seen = await engine.sweep(goOn).catch((error: unknown) => {
        // The other workflows are swept all the same, and then the invocation fails.
        errors.push(error);
        return 0;
      });
      if (seen > 0) log.info({ workflow: app.workflow.name, orders: seen }, "overdue orders seen to");
      swept += seen;
      figures.add("OrdersSwept", seen, { workflow: app.workflow.name });
    }
    figures.write();
    if (errors.length > 0) throw errors[0];
    for (const { engine } of engines) removed += await engine.removeOld(goOn);
    return settings.retentionDays === undefined ? { swept } : { swept, removed };
  };
}
