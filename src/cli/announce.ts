import { isIPv6 } from "node:net";
import type { App } from "../core/handlers.ts";
import { sampleData } from "../core/sample.ts";

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
