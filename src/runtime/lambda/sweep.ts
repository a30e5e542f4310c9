import type { App } from "../../core/handlers.ts";
import { jsonLog } from "../../engine/log.ts";
import { cauceVariables, functionName } from "../env.ts";
import { type Invocation, type OpenEngine, openEngines } from "./engines.ts";
import { lambdaSettings } from "./settings.ts";

/** What one step of the sweep takes at most, with room: after that the next invocation goes on. */
const stepMilliseconds = 15_000;

/** The handler of the function that the schedule calls: looks once through what is overdue, as long as its time lasts. */
export function sweepHandler(
  apps: App | readonly App[],
): (event: unknown, invocation: Invocation) => Promise<{ readonly swept: number }> {
  const log = jsonLog((line) => process.stdout.write(line));
  const settings = lambdaSettings(cauceVariables());
  let opening: Promise<OpenEngine[]> | undefined;
  return async (_event, invocation) => {
    opening ??= openEngines(apps, settings, { log, name: functionName() });
    const engines = await opening.catch((error: unknown) => {
      opening = undefined;
      throw error;
    });
    let swept = 0;
    for (const { app, engine } of engines) {
      const seen = await engine.sweep(() => invocation.getRemainingTimeInMillis() > stepMilliseconds);
      if (seen > 0) log.info({ workflow: app.workflow.name, orders: seen }, "overdue orders seen to");
      swept += seen;
    }
    return { swept };
  };
}
