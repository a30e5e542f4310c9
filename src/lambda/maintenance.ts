import type { App } from "../core/handlers.ts";
import { type ChoreName, maintainOnce } from "../engine/maintenance/maintenance.ts";
import { type Invocation, openOnAws, openOnce, startFunction } from "./open.ts";

/** The most that one step of a chore takes, with room. With less time left, the next invocation goes on. */
const stepMilliseconds = 15_000;

interface Swept {
  /** How many overdue orders were moved or queued. */
  readonly swept: number;
  /** How many old orders were removed; left out without `CAUCE_RETENTION_DAYS`. */
  readonly removed?: number;
}

/**
 * Makes the handler of the function that the schedule calls. It runs every chore once, as long as its time lasts: first
 * it sweeps all workflows, then it removes old orders.
 */
export function sweepHandler(apps: App | readonly App[]): (event: unknown, invocation: Invocation) => Promise<Swept> {
  const { settings, log, metrics } = startFunction();
  const open = openOnce(() => openOnAws(apps, settings, log));
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
