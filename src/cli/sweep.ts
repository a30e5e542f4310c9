import { CauceError } from "../core/errors.ts";
import { type ChoreName, maintainOnce } from "../engine/maintenance/maintenance.ts";
import { openWorkflows } from "../engine/open.ts";
import { openLog } from "../node/log.ts";
import { signalled } from "../node/server.ts";
import type { Settings } from "../node/settings.ts";
import { awsStore } from "./awsStore.ts";
import { loadApp } from "./loadApp.ts";
import { counted, jsonLine, type Output } from "./output.ts";

/**
 * Sweeps each workflow of an app once, removes old orders, and prints how many orders it saw to. A signal ends it after
 * the current step (`interrupted`). What is left is still due, and the next sweep sees to it.
 */
export async function sweep(path: string, settings: Settings<"sweep">, json: boolean, output: Output): Promise<void> {
  const apps = await loadApp(path);
  const log = openLog({ level: settings.logLevel });
  const store = await awsStore(apps, settings, log);
  const stopping = new AbortController();
  void signalled().then((signal) => stopping.abort(signal));
  const { signal } = stopping;
  const { delivery, retentionDays } = settings;
  let done: Readonly<Record<ChoreName, number>>;
  try {
    const { workflows, close } = await openWorkflows({ apps, backend: store, delivery, log, retentionDays });
    const engines = workflows.map(({ engine }) => engine);
    done = await maintainOnce(engines, () => !signal.aborted, { signal }).finally(() => close().catch(() => {}));
  } finally {
    await log.close();
  }
  const swept = done.sweep;
  const removed = retentionDays === undefined ? undefined : done.retention;
  const also = removed === undefined ? "" : `, and removed ${counted(removed, "old one")}`;
  output.out(json ? jsonLine({ swept, removed }) : `Saw to ${counted(swept, "overdue order")}${also}.\n`);
  if (!signal.aborted) return;
  throw new CauceError("interrupted", "stopped before it had looked at everything; the next sweep does", {
    cause: signal.reason,
  });
}
