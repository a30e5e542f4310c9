import { hostname } from "node:os";
import type { Backend } from "../backend/port.ts";
import { systemClock } from "../core/clock.ts";
import { CauceError } from "../core/errors.ts";
import { leasesOf } from "../core/workflow.ts";
import { createEngine } from "../engine/createEngine.ts";
import { openLog } from "../node/log.ts";
import { signalled } from "../node/server.ts";
import type { Settings } from "../node/settings.ts";
import { awsStore } from "./awsStore.ts";
import { loadApp } from "./loadApp.ts";
import type { Output } from "./output.ts";

const standardError = 2;

/**
 * Sweeps each workflow of an app once, removes what is too old, and says how many orders it saw to. A signal ends it
 * after the step at hand (`interrupted`); what it left is due still, and the next sweep sees to it.
 */
export async function sweep(path: string, settings: Settings<"sweep">, json: boolean, output: Output): Promise<void> {
  const apps = await loadApp(path);
  const log = openLog({ level: settings.logLevel, to: standardError });
  const store = await awsStore(apps, settings, log);
  const clock = systemClock();
  const actor = { runtime: "node" as const, name: hostname() };
  let stopped: string | undefined;
  void signalled().then((signal) => {
    stopped = signal;
  });
  const opened: Backend[] = [];
  const goOn = () => stopped === undefined;
  const { retentionDays } = settings;
  let swept = 0;
  let removed = 0;
  try {
    for (const app of apps) {
      const { workflow } = app;
      const backend = await store({
        workflow: workflow.name,
        delivery: settings.delivery,
        clock,
        leaseSeconds: leasesOf(workflow),
      });
      opened.push(backend);
      if (!goOn()) break;
      const engine = createEngine({ app, backend, clock, random: Math.random, log, actor, retentionDays });
      swept += await engine.sweep(goOn);
      if (goOn()) removed += await engine.removeOld(goOn);
    }
  } finally {
    await Promise.allSettled(opened.map((backend) => backend.close()));
    await log.close();
  }
  const found = retentionDays === undefined ? { swept } : { swept, removed };
  output.out(json ? `${JSON.stringify(found)}\n` : sentence(found));
  if (stopped === undefined) return;
  throw new CauceError("interrupted", "stopped before it had looked at everything; the next sweep does", {
    cause: stopped,
  });
}

function sentence({ swept, removed }: { readonly swept: number; readonly removed?: number }): string {
  const saw = `Saw to ${swept} overdue ${swept === 1 ? "order" : "orders"}`;
  return removed === undefined
    ? `${saw}.\n`
    : `${saw}, and removed ${removed} old ${removed === 1 ? "one" : "ones"}.\n`;
}
