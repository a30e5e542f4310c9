import { resolve } from "node:path";
import { systemClock } from "../../core/clock.ts";
import { CauceError } from "../../core/errors.ts";
import type { App } from "../../core/handlers.ts";
import { createChaos, seeded } from "../../emulate/chaos.ts";
import { type Emulation, emulate } from "../../emulate/emulate.ts";
import { loadPeers } from "../../emulate/services/emulators.ts";
import { signalled, unlessStopped } from "../../node/server.ts";
import type { Settings } from "../../node/settings.ts";
import { inTemporaryDirectory, makeDirectory } from "../init.ts";
import { loadApp } from "../loadApp.ts";
import type { Output } from "../output.ts";
import { placingOf } from "../start.ts";
import { assemble } from "./synth.ts";

export interface EmulateFlags {
  readonly port: number;
  readonly data: string | undefined;
  /** The faults follow from this number. Undefined: there are none. */
  readonly seed: number | undefined;
}

/**
 * Synthesizes an app's stacks and runs their templates on this machine until SIGINT or SIGTERM. Leaves no process and no
 * file behind, except the tables in `data`.
 */
export async function emulateApp(
  path: string,
  settings: Settings<"stack">,
  flags: EmulateFlags,
  output: Output,
): Promise<void> {
  if (settings.compute !== "lambda") {
    throw new CauceError("setting_invalid", "cauce emulate runs functions; leave out --compute kubernetes");
  }
  const stopped = signalled();
  output.serve?.();
  await inTemporaryDirectory("cauce-emulate-", async (outDirectory) => {
    const begun = await unlessStopped(begin(path, settings, flags, { output, outDirectory }), stopped);
    // What was begun ends with the process: functions and bundlers are processes that end when this one does.
    if (begun === undefined) return output.out("\nStopped before it ran.\n");
    output.out(announcement(begun.apps, begun.emulation, flags));
    await stopped;
    output.out("\nStopping.\n");
    await begun.emulation.close();
  });
}

/** Loads the app, synthesizes its stacks and runs them. */
async function begin(
  path: string,
  settings: Settings<"stack">,
  { port, data, seed }: EmulateFlags,
  { output, outDirectory }: { readonly output: Output; readonly outDirectory: string },
): Promise<{ readonly apps: readonly App[]; readonly emulation: Emulation }> {
  const apps = await loadApp(path);
  // Missing packages are reported before the bundling, which takes seconds.
  await loadPeers();
  if (data !== undefined) makeDirectory(data);
  const { directory, stacks } = await assemble({ apps, path, settings, outDirectory, output, checks: false });
  const emulation = await emulate({
    assembly: directory,
    stackNames: stacks.map(({ name }) => name),
    port,
    data: data === undefined ? undefined : resolve(data),
    clock: systemClock(),
    onLine: (source, line) => output.err(`${source}  ${line}\n`),
    chaos: seed === undefined ? undefined : createChaos(seeded(seed)),
  });
  return { apps, emulation };
}

/** Says what runs, by name, and what to try. */
function announcement(
  apps: readonly App[],
  { stacks, urls, awsUrl, tablesKept }: Emulation,
  { data, seed }: EmulateFlags,
): string {
  const names = (kind: "tables" | "topics" | "queues" | "functions") =>
    stacks.flatMap((stack) => stack[kind].map(({ name }) => name)).join(", ");
  const kept =
    data === undefined
      ? "in memory: orders are gone at the end (--data DIR keeps them)"
      : `${resolve(data)}${tablesKept === 0 ? "" : "; kept from before"}. Queues are not kept: the sweep queues open orders again`;
  const rows = [
    ...apps.map(({ workflow }, index) => [workflow.name, `${urls[index]}/${workflow.name}`]),
    ["tables", names("tables")],
    ["topics", names("topics")],
    ["queues", names("queues")],
    ["functions", names("functions")],
    ["AWS calls", awsUrl],
    ["data", kept],
    ...(seed === undefined ? [] : [["chaos", `seed ${seed}`]]),
  ] as [string, string][];
  return [
    `Emulating ${stacks.map(({ name }) => name).join(", ")} on ${urls.join(", ")}`,
    "",
    ...rows.map(([name, value]) => `  ${name.padEnd(12)}${value}`),
    "",
    "Place an order:",
    ...apps.slice(0, 1).map((app) => `  ${placingOf(app, String(urls[0]))}`),
    "",
    "Ctrl+C stops it.",
    "",
  ].join("\n");
}
