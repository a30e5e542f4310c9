import { CauceError } from "../core/errors.ts";
import { type ChoreName, maintainOnce } from "../engine/maintenance/maintenance.ts";
import { openWorkflows } from "../engine/open.ts";
import { openLog } from "../node/log.ts";
import { signalled, unlessStopped } from "../node/server.ts";
import type { Settings } from "../node/settings.ts";
import { awsStore } from "./awsStore.ts";
import { loadApp } from "./loadApp.ts";
import { counted, jsonLine, type Output } from "./output.ts";

/**
 * Sweeps each workflow of an app once, removes old orders, and prints how many orders it saw to. A signal ends it after
 * the current step (`interrupted`). What is left is still due, and the next sweep sees to it.
 */
export async function sweep(path: string, settings: Settings<"sweep">, json: boolean, output: Output): Promise<void> {
  const stopping = new AbortController();
  const { signal } = stopping;
  const ended = new AbortController();
  const stopped = signalled(ended.signal).then((name) => stopping.abort(name));
  const log = openLog({ level: settings.logLevel });
  const open = async () => {
    const apps = await loadApp(path);
    const backend = await awsStore(apps, settings, log);
    return openWorkflows({ apps, backend, delivery, log, retentionDays });
  };
  const { delivery, retentionDays } = settings;
  let done: Readonly<Record<ChoreName, number>>;
  try {
    const opened = await unlessStopped(open(), stopped);
    if (opened === undefined) throw interrupted("stopped before it looked at anything; the next sweep does", signal);
    const { workflows, close } = opened;
    const engines = workflows.map(({ engine }) => engine);
    done = await maintainOnce(engines, () => !signal.aborted, { signal }).finally(() => close().catch(() => {}));
  } finally {
    await log.close();
    // What is left is to wait for the reader of the output, which a signal ends as it ends any program.
    ended.abort();
  }
  const swept = done.sweep;
  const removed = retentionDays === undefined ? undefined : done.retention;
  const also = removed === undefined ? "" : `, and removed ${counted(removed, "old one")}`;
  output.out(json ? jsonLine({ swept, removed }) : `Saw to ${counted(swept, "overdue order")}${also}.\n`);
  if (!signal.aborted) return;
  throw interrupted("stopped before it had looked at everything; the next sweep does", signal);
}

function interrupted(message: string, { reason }: AbortSignal): CauceError {
  return new CauceError("interrupted", message, { cause: reason });
}
