import { BlockList, isIPv6 } from "node:net";
import { resolve } from "node:path";
import { sqlite } from "../backend/sqlite/index.ts";
import { createCauce } from "../cauce.ts";
import { CauceError } from "../core/errors.ts";
import { openLog } from "../runtime/log.ts";
import { listen, run, signalled } from "../runtime/node.ts";
import type { Settings } from "../runtime/settings.ts";
import { watchedByParent } from "../runtime/watched.ts";
import { announce } from "./announce.ts";
import { readKeys } from "./keys.ts";
import { loadApp } from "./loadApp.ts";
import type { Output } from "./report.ts";
import { version } from "./version.ts";

const standardError = 2;

/**
 * Loads the app, opens its store, binds the port and then processes, until it is told to stop; resolves when it has
 * drained. Rejects with the code of what failed, and leaves nothing running.
 */
export async function start(
  path: string,
  settings: Settings,
  options: { output: Output; watched: boolean },
): Promise<void> {
  const { host, port, delivery, bodyBytesMax, basePath, unknownStatuses, retentionDays } = settings;
  const { output } = options;
  const watched = options.watched ? watchedByParent() : undefined;
  const auth = readKeys(settings);
  if (auth === undefined && !isLoopback(host)) {
    throw new CauceError(
      "keys_required",
      `a server on ${host} can be reached from outside; make a key with "cauce keys create --role operate --file FILE" and give it with --keys FILE, or bind 127.0.0.1`,
    );
  }
  const apps = await loadApp(path);
  const directory = resolve(settings.data);
  const store = sqlite({ directory });
  const log = openLog({ level: settings.logLevel, to: standardError });
  const failures: Promise<never>[] = [];
  const cauce = await createCauce({
    apps,
    backend: async (options) => {
      const backend = await store(options);
      failures.push(backend.failed);
      return backend;
    },
    delivery,
    auth,
    basePath,
    bodyBytesMax,
    unknownStatuses,
    retentionDays,
    log,
  });
  await run(cauce, {
    listen: () => listen(cauce.fetch, { host, port }),
    stopped: Promise.race([watched ?? signalled(), ...failures]),
    onReady: (bound) => {
      const keys = auth?.keys.length ?? 0;
      output.out(announce({ version: version(), apps, host, port: bound, basePath, directory, delivery, keys }));
    },
    onDrain: () => output.out("\nDraining: no new requests; finishing what is in hand.\n"),
  });
  log.close();
  output.out("Drained.\n");
}

/** Whether only this machine can reach the address: 127.0.0.0/8, ::1 and `localhost`. */
export function isLoopback(host: string): boolean {
  const loopback = new BlockList();
  loopback.addSubnet("127.0.0.0", 8, "ipv4");
  loopback.addAddress("::1", "ipv6");
  return host === "localhost" || loopback.check(host, isIPv6(host) ? "ipv6" : "ipv4");
}
