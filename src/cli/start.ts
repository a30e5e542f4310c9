import { BlockList, isIPv6 } from "node:net";
import { resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { BackendFactory, DeliveryMode } from "../backend/port.ts";
import { type Cauce, createCauce } from "../cauce.ts";
import { CauceError } from "../core/errors.ts";
import type { App, Log } from "../core/handlers.ts";
import { sampleData } from "../core/sample.ts";
import type { CountingLog } from "../engine/log.ts";
import { problem } from "../http/problem.ts";
import { hearFaults } from "../node/faults.ts";
import { openLog } from "../node/log.ts";
import { endBySignal, type Fetch, listen, run, signalled, unlessStopped } from "../node/server.ts";
import type { Settings } from "../node/settings.ts";
import { watchedByParent } from "../node/watched.ts";
import { awsRows, awsStore } from "./awsStore.ts";
import { readKeys } from "./keys.ts";
import { loadApp } from "./loadApp.ts";
import { description, type Output } from "./output.ts";

const health = ["/healthz", "/readyz"];
const counts = ["/metrics", "/stats"];

/**
 * Loads the app, opens its store, binds the port and then processes until a signal. Resolves once everything has
 * drained. A signal ends it at any point. Rejects with the code of the step that failed, and leaves nothing running.
 */
export async function start(
  path: string,
  settings: Settings<"start">,
  { output, watched }: { readonly output: Output; readonly watched: boolean },
): Promise<void> {
  const stop = watched ? watchedByParent() : signalled();
  const outputDropped = output.serve?.();
  const { host, role } = settings;
  const auth = readKeys(settings);
  if (auth === undefined && role !== "work" && !isLoopback(host)) {
    throw new CauceError(
      "keys_required",
      `a server on ${host} can be reached from outside; make a key with "cauce keys create --role operate --file FILE" and give it with --keys FILE, or bind 127.0.0.1`,
    );
  }
  const ownLog = openLog({ level: settings.logLevel });
  const log = { ...ownLog, dropped: () => ownLog.dropped() + (outputDropped?.() ?? 0) };
  // The app's code runs from its loading on. Until its store is open, a rejection is logged and counted nowhere.
  let served: Cauce | undefined;
  const faults = hearFaults({ takeRejection: (reason) => served?.takeRejection(reason) ?? false }, log);
  const onOpen = (cauce: Cauce) => {
    served = cauce;
  };
  try {
    output.out(await serve(path, settings, { output, log, auth, stop, uncaught: faults.uncaught, onOpen }));
  } finally {
    faults.close();
  }
}

interface Serving {
  readonly output: Output;
  readonly log: CountingLog & { close(): Promise<void> };
  readonly auth: ReturnType<typeof readKeys>;
  readonly stop: ReturnType<typeof signalled | typeof watchedByParent>;
  readonly uncaught: Promise<never>;
  readonly onOpen: (cauce: Cauce) => void;
}

/** Serves until `stop` resolves, and resolves to what is said at the end. */
async function serve(
  path: string,
  settings: Settings<"start">,
  { output, log, auth, stop, uncaught, onOpen }: Serving,
): Promise<string> {
  const { host, port, basePath, bodyBytesMax, unknownStatuses, retentionDays, startSeconds } = settings;
  const stopped = Promise.race([stop, uncaught]);
  const apps = await unlessStopped(loadApp(path), stopped);
  if (apps === undefined) return stoppedEarly;
  // The store tells its delivery where no setting does.
  const deliveries = new Map<string, DeliveryMode>();
  const open = async () => {
    const { backend: openOne, rows, failures } = await openStore(apps, settings, log);
    const backend: BackendFactory = async (given) => {
      const opened = await openOne(given);
      deliveries.set(given.workflow, opened.delivery);
      return opened;
    };
    const { delivery } = settings;
    const options = { delivery, basePath, bodyBytesMax, unknownStatuses, retentionDays, startSeconds };
    const cauce = await createCauce({ apps, backend, auth, log, ...options });
    return { cauce, rows, failures };
  };
  const opening = open();
  const opened = await unlessStopped(opening, stopped).catch(async (error) => {
    await closedSoon(opening);
    throw error;
  });
  if (opened === undefined) {
    const inTime = await closedSoon(opening);
    await log.close();
    if (!inTime) endBySignal((await stop) ?? "SIGTERM");
    return stoppedEarly;
  }
  const { cauce, rows, failures } = opened;
  onOpen(cauce);
  const { start, fetch } = partsOf(settings, cauce, auth !== undefined || isLoopback(host));
  await run(
    { ...cauce, start },
    {
      listen: () => listen(fetch, { host, port }),
      stopped: Promise.race([stopped, ...failures]),
      onReady(bound) {
        const keys = auth?.keys.length ?? 0;
        const told = { delivery: deliveryOf(deliveries), store: rows, keys };
        output.out(announce({ ...settings, ...told, version: description().version, apps, port: bound }));
      },
      onDrain: () => output.out("\nDraining: no new requests; finishing those under way, and the handlers.\n"),
    },
  );
  await log.close();
  return "Drained.\n";
}

const stoppedEarly = "Stopped before it processed anything.\n";
const openingMilliseconds = 1_000;

/**
 * Closes the stores that are being opened, and says whether that ended soon. An opening that does not migrates a store, or
 * waits for another program, and cannot be stopped: a signal ends the process then. The store undoes at the next start
 * what had not ended.
 */
function closedSoon(opening: Promise<{ readonly cauce: Cauce }>): Promise<boolean> {
  const closed = opening.then(
    ({ cauce }) => cauce.close().then(() => true),
    () => true,
  );
  return Promise.race([closed, delay(openingMilliseconds, false)]);
}

interface ChosenStore {
  readonly backend: BackendFactory;
  /** For the announcement. */
  readonly rows: readonly Row[];
  /** Once the backend is open: a promise for each SQLite file, which rejects if the file fails. */
  readonly failures: readonly Promise<never>[];
}

/** Opens the chosen store. */
async function openStore(apps: readonly App[], settings: Settings<"start">, log: Log): Promise<ChosenStore> {
  if (settings.backend === "aws") {
    const rows: Row[] = [...awsRows(apps, settings, settings.status), ["role", settings.role]];
    return { backend: await awsStore(apps, settings, log), rows, failures: [] };
  }
  const { sqlite } = await import("../backend/sqlite/index.ts");
  const directory = resolve(settings.data);
  const open = sqlite({ directory });
  const failures: Promise<never>[] = [];
  return {
    async backend(options) {
      const opened = await open(options);
      failures.push(opened.failed);
      return opened;
    },
    rows: [["data", directory]],
    failures,
  };
}

/**
 * Chooses what a role starts and serves. A worker takes no orders: it serves its health, and its counts to callers with a
 * key or on this machine (`isReadable`).
 */
function partsOf(
  { role, status: statuses, basePath = "" }: Settings<"start">,
  cauce: Cauce,
  isReadable: boolean,
): { start(): Promise<void>; readonly fetch: Fetch } {
  const { fetch } = cauce;
  if (role === "all") return { start: () => cauce.start(), fetch };
  // The role `api` never starts: no handler runs, so no resource is opened.
  if (role === "api") return { start: async () => {}, fetch };
  const served = [...health, ...(isReadable ? counts : [])].map((path) => basePath + path);
  const others = `this process works and serves ${served.join(", ")} alone; ask one with --role api for the rest${isReadable ? "" : `, and give this one keys for ${counts.join(" and ")}`}`;
  return {
    start: () => cauce.start({ statuses, sweeps: false }),
    fetch: (request, server) =>
      served.includes(new URL(request.url).pathname) ? fetch(request, server) : problem("route_not_found", others),
  };
}

/** Whether only this machine can reach the address: 127.0.0.0/8, ::1 and `localhost`. */
export function isLoopback(host: string): boolean {
  const loopback = new BlockList();
  loopback.addSubnet("127.0.0.0", 8, "ipv4");
  loopback.addAddress("::1", "ipv6");
  return host === "localhost" || loopback.check(host, isIPv6(host) ? "ipv6" : "ipv4");
}

/** Names the delivery of all workflows; where they differ, that of each. */
export function deliveryOf(deliveries: ReadonlyMap<string, DeliveryMode>): string {
  const modes = new Set(deliveries.values());
  return modes.size === 1 ? [...modes].join() : [...deliveries].map((each) => each.join(" ")).join(", ");
}

/** One line of the announcement. */
type Row = readonly [name: string, value: string];

export interface Announcement extends Pick<Settings<"start">, "host" | "port" | "basePath" | "role"> {
  readonly version: string;
  readonly delivery: string;
  readonly apps: readonly App[];
  /** Where the orders are. */
  readonly store: readonly Row[];
  /** How many API keys there are; 0: everything is open. */
  readonly keys: number;
}

/** Says where a server that runs is, and what to try. */
export function announce(announcement: Announcement): string {
  const { version, apps, port, basePath = "", store, delivery, role, keys } = announcement;
  // A server that is bound to every address is called at this one.
  const host = ["0.0.0.0", "::"].includes(announcement.host) ? "127.0.0.1" : announcement.host;
  const base = `http://${isIPv6(host) ? `[${host}]` : host}:${port}${basePath}`;
  const everywhere = host === announcement.host ? "" : " (and every other address of this machine)";
  const header = keys === 0 ? "" : " -H 'authorization: Bearer KEY'";
  const serves = role !== "work";
  const rows: Row[] = [
    ...(serves ? apps.map(({ workflow }): Row => [workflow.name, `${base}/${workflow.name}`]) : []),
    ["delivery", delivery],
    ...store,
    ...(serves ? [["keys", keys === 0 ? "none; only this machine can reach it" : String(keys)] as const] : []),
  ];
  const width = Math.max(...rows.map(([name]) => name.length)) + 3;
  return [
    `Cauce ${version} listens on ${base}${everywhere}`,
    "",
    ...rows.map(([name, value]) => `  ${name.padEnd(width)}${value}`),
    "",
    ...(serves
      ? [
          "Place an order, and see where it stands:",
          ...apps.map((app) => `  ${placingOf(app, base, header)}`),
          `  curl${header} ${base}/${apps[0]?.workflow.name}`,
        ]
      : [
          "It works, and serves no API: only /healthz and /readyz, and /metrics and /stats to callers that may read them.",
        ]),
    "",
    "Ctrl+C stops it, after the requests and handlers under way.",
    "",
  ].join("\n");
}

/** Writes a command line that places an order: the first example of the workflow's schema, or one made up from it. */
export function placingOf({ workflow }: App, base: string, header = ""): string {
  const command = `curl -i ${base}/${workflow.name}${header} -H 'content-type: application/json' -d`;
  const sample = sampleData(workflow.data);
  if (sample === undefined) {
    return `${command} @order.json   # an example in the schema's .meta({ examples: […] }) would stand here`;
  }
  // A shell ends the single quotes before a quote, takes the escaped quote, and starts them again.
  return `${command} '${JSON.stringify(sample).replaceAll("'", `'\\''`)}'`;
}
