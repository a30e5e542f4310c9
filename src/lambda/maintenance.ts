import type { App } from "../core/handlers.ts";
import { jsonLog } from "../engine/log.ts";
import { type ChoreName, maintainOnce } from "../engine/maintenance/maintenance.ts";
import { readFunctionSettings } from "../node/readSettings.ts";
import { createFunctionMetrics } from "./metrics.ts";
import { type Invocation, openOnce, openStack } from "./open.ts";

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
  const metrics = createFunctionMetrics(settings, (line) => process.stdout.write(line));
  const open = openOnce(() => openStack(apps, settings, log));
  return async (_event, invocation) => {
    const { workflows } = await open();
    const goOn = () => invocation.getRemainingTimeInMillis() > stepMilliseconds;
    const onRun = (workflow: string, chore: ChoreName, orders: number) => {
      if (chore !== "sweep") return;
      if (orders > 0) log.info({ workflow, orders }, "overdue orders seen to");
      metrics.add("OrdersSwept", orders, { workflow });
    };
    try {
      const engines = workflows.map(({ engine }) => engine);
      const { sweep, retention } = await maintainOnce(engines, goOn, { onRun });
      return settings.retentionDays === undefined ? { swept: sweep } : { swept: sweep, removed: retention };
    } finally {
      metrics.write();
    }
  };
}
