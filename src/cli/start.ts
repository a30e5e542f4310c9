import { BlockList, isIPv6 } from "node:net";
import { resolve } from "node:path";
import type { BackendFactory } from "../backend/port.ts";
import { type Cauce, createCauce } from "../cauce.ts";
import { CauceError } from "../core/errors.ts";
import type { App, Log } from "../core/handlers.ts";
import { sampleData } from "../core/sample.ts";
import { problem } from "../http/problem.ts";
import { openLog } from "../node/log.ts";
import { type Fetch, listen, run, signalled } from "../node/server.ts";
import type { Settings } from "../node/settings.ts";
import { watchedByParent } from "../node/watched.ts";
import { awsRows, awsStore } from "./awsStore.ts";
import { readKeys } from "./keys.ts";
import { loadApp } from "./loadApp.ts";
import { type Output, version } from "./output.ts";

const standardError = 2;
const health = ["/healthz", "/readyz"];
const observed = ["/metrics", "/stats"];

/**
 * Loads the app, opens its store, binds the port and then processes, until it is told to stop; resolves when it has
 * drained. Rejects with the code of what failed, and leaves nothing running.
 */
export async function start(
  path: string,
  settings: Settings<"start">,
  options: { output: Output; watched: boolean },
): Promise<void> {
  const { host, port, role, delivery, bodyBytesMax, basePath, unknownStatuses, retentionDays } = settings;
  const { output } = options;
  const watched = options.watched ? watchedByParent() : undefined;
  const auth = readKeys(settings);
  if (auth === undefined && role !== "work" && !isLoopback(host)) {
    throw new CauceError(
      "keys_required",
      `a server on ${host} can be reached from outside; make a key with "cauce keys create --role operate --file FILE" and give it with --keys FILE, or bind 127.0.0.1`,
    );
  }
  const apps = await loadApp(path);
  const log = openLog({ level: settings.logLevel, to: standardError });
  const failures: Promise<never>[] = [];
  const { backend, rows } = await storeOf(apps, settings, log, failures);
  const cauce = await createCauce({
    apps,
    backend,
    delivery,
    auth,
    basePath,
    bodyBytesMax,
    unknownStatuses,
    retentionDays,
    log,
  });
  const isReadable = auth !== undefined || isLoopback(host);
  const { start, fetch } = partsOf({ role, statuses: settings.status, cauce, basePath, isReadable });
  await run(
    { ...cauce, start },
    {
      listen: () => listen(fetch, { host, port }),
      stopped: Promise.race([watched ?? signalled(), ...failures]),
      onReady: (bound) => {
        const keys = auth?.keys.length ?? 0;
        output.out(
          announce({ version: version(), apps, host, port: bound, basePath, delivery, store: rows, role, keys }),
        );
      },
      onDrain: () => output.out("\nDraining: no new requests; finishing what is in hand.\n"),
    },
  );
  await log.close();
  output.out("Drained.\n");
}

/** The chosen store, and what the announcement says of it; `failures` gets what rejects when a SQLite file fails. */
async function storeOf(
  apps: readonly App[],
  settings: Settings<"start">,
  log: Log,
  failures: Promise<never>[],
): Promise<{ readonly backend: BackendFactory; readonly rows: readonly (readonly [string, string])[] }> {
  if (settings.backend === "aws") {
    const rows = [...awsRows(apps, settings, settings.status), ["role", settings.role] as const];
    return { backend: await awsStore(apps, settings, log), rows };
  }
  const { sqlite } = await import("../backend/sqlite/index.ts");
  const directory = resolve(settings.data);
  const store = sqlite({ directory });
  const backend: BackendFactory = async (options) => {
    const opened = await store(options);
    failures.push(opened.failed);
    return opened;
  };
  return { backend, rows: [["data", directory]] };
}

/**
 * What a role starts and serves. A worker tells of itself and takes no orders; what its counts tell is for those with a
 * key, or on this machine (`isReadable`).
 */
function partsOf(options: {
  readonly role: Settings<"start">["role"];
  readonly statuses: readonly string[] | undefined;
  readonly cauce: Cauce;
  readonly basePath: string | undefined;
  readonly isReadable: boolean;
}): { start(): Promise<void>; readonly fetch: Fetch } {
  const { role, statuses, cauce, basePath = "", isReadable } = options;
  const { fetch } = cauce;
  if (role === "all") return { start: () => cauce.start(), fetch };
  // It never starts: no resource is opened, since no handler runs.
  if (role === "api") return { start: async () => {}, fetch };
  const served = [...health, ...(isReadable ? observed : [])].map((path) => `${basePath}${path}`);
  return {
    start: () => cauce.start({ statuses, sweeps: false }),
    fetch: (request, server) =>
      served.includes(new URL(request.url).pathname)
        ? fetch(request, server)
        : problem(
            "route_not_found",
            `this process works and serves ${served.join(", ")} alone; ask one with --role api for the rest${isReadable ? "" : `, and give this one keys for ${observed.join(" and ")}`}`,
          ),
  };
}

/** Whether only this machine can reach the address: 127.0.0.0/8, ::1 and `localhost`. */
export function isLoopback(host: string): boolean {
  const loopback = new BlockList();
  loopback.addSubnet("127.0.0.0", 8, "ipv4");
  loopback.addAddress("::1", "ipv6");
  return host === "localhost" || loopback.check(host, isIPv6(host) ? "ipv6" : "ipv4");
}

export interface Announcement {
  readonly version: string;
  readonly apps: readonly App[];
  readonly host: string;
  readonly port: number;
  readonly basePath: string | undefined;
  readonly delivery: string;
  /** Where the orders are, as rows of a name and what it is. */
  readonly store: readonly (readonly [string, string])[];
  /** `work`: nothing but its health and its figures is served. */
  readonly role: "api" | "work" | "all";
  /** How many API keys there are; 0: everything is open. */
  readonly keys: number;
}

/** What a server says of itself once it runs: where it is, and what to try. */
export function announce(announcement: Announcement): string {
  const { apps, port, store, delivery, role, keys } = announcement;
  const host = reachableHost(announcement.host);
  const base = `http://${isIPv6(host) ? `[${host}]` : host}:${port}${announcement.basePath ?? ""}`;
  const everywhere = host === announcement.host ? "" : ` (and every other address of this machine)`;
  const rows = [
    ...(role === "work" ? [] : apps.map(({ workflow }) => [workflow.name, `${base}/${workflow.name}`] as const)),
    ["delivery", delivery] as const,
    ...store,
    ["keys", keys === 0 ? "none; only this machine can reach it" : String(keys)] as const,
  ].filter(([name]) => role !== "work" || name !== "keys");
  const width = Math.max(...rows.map(([name]) => name.length)) + 3;
  const header = keys === 0 ? "" : ` -H 'authorization: Bearer KEY'`;
  const [first] = apps;
  return [
    `Cauce ${announcement.version} listens on ${base}${everywhere}`,
    "",
    ...rows.map(([name, value]) => `  ${name.padEnd(width)}${value}`),
    "",
    ...(role === "work"
      ? ["It works, and serves no API: /healthz and /readyz, and /metrics and /stats to who may read them."]
      : [
          "Place an order, and see where it stands:",
          ...apps.map(({ workflow }) => `  ${curl(`${base}/${workflow.name}`, header, sampleData(workflow.data))}`),
          `  curl${header} ${base}/${first?.workflow.name}`,
        ]),
    "",
    "Ctrl+C stops it; what is in hand is finished first.",
    "",
  ].join("\n");
}

function curl(url: string, header: string, sample: unknown): string {
  if (sample === undefined) {
    return `curl -i ${url}${header} -H 'content-type: application/json' -d @order.json   # an example in the schema's .meta({ examples: […] }) would stand here`;
  }
  // A quote inside single quotes: end them, say it, and start them again.
  const body = JSON.stringify(sample).replaceAll("'", `'\\''`);
  return `curl -i ${url}${header} -H 'content-type: application/json' -d '${body}'`;
}

/** An address to call where the server is bound to all of them. */
function reachableHost(host: string): string {
  return host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
}
