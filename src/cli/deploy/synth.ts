import { spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { CauceError } from "../../core/errors.ts";
import type { App } from "../../core/handlers.ts";
import { type Assembly, cdkPackages, synthesize } from "../../deploy/cdk/synth.ts";
import { withPeers } from "../../deploy/optionalPeers.ts";
import type { ApiKeys } from "../../deploy/permissions.ts";
import { formatKeyLine } from "../../http/auth.ts";
import type { Settings } from "../../node/settings.ts";
import { makeDirectory } from "../init.ts";
import { readKeys } from "../keys.ts";
import { loadApp } from "../loadApp.ts";
import type { Output } from "../output.ts";

/** Writes the templates and bundles of an app's workflows into a directory, checked, and tells what they would make. */
export async function synth(path: string, settings: Settings<"stack">, out: string, output: Output): Promise<void> {
  const apps = await loadApp(path);
  makeDirectory(out);
  const assembly = await assemble({ apps, path, settings, outDirectory: resolve(out), output });
  output.out(summary(assembly));
}

export async function assemble(options: {
  readonly apps: readonly App[];
  readonly path: string;
  readonly settings: Settings<"stack">;
  readonly outDirectory: string;
  readonly output: Output;
  /** Whether broken rules of cdk-nag and CloudFormation are errors. Default true. */
  readonly checks?: boolean;
}): Promise<Assembly> {
  const { apps, path, settings, outDirectory, output, checks = true } = options;
  const access = accessOf(settings);
  output.err(`Bundling and checking ${apps.map(({ workflow }) => workflow.name).join(", ")} …\n`);
  return synthesize({ ...settings, access, app: apps, module: resolve(path), outDirectory, checks });
}

/** Says who may call the API. Throws `keys_required` if the settings do not. */
function accessOf(settings: Settings<"stack">): ApiKeys | undefined {
  if (settings.compute === "kubernetes") return undefined;
  if (settings.public) return "public";
  const auth = readKeys(settings);
  if (auth !== undefined) return { keys: auth.keys.map(formatKeyLine).join("\n") };
  throw new CauceError(
    "keys_required",
    'everyone who finds the API\'s address could call it; make a key with "cauce keys create --role operate --file FILE" and give it with --keys FILE, or say --public',
  );
}

/** Says what the templates would make, by name. */
function summary({ stacks }: Assembly): string {
  const lines = stacks.flatMap(({ name, topology, templateFile }) => {
    const [runs, running] =
      topology.compute === "kubernetes"
        ? ["roles", topology.pods.map(({ role }) => role)]
        : ["functions", topology.functions.map((each) => each.name)];
    const rows = [
      ["stack", name],
      ["template", templateFile],
      ["table", topology.table],
      ["topic", topology.topic],
      ["queues", [...topology.queues.map((queue) => queue.name), topology.unrouted.name].join(", ")],
      ["dead letters", topology.queues.map(({ deadLetters }) => deadLetters).join(", ")],
      [runs, running.join(", ")],
    ] as const;
    return [...rows.map(([what, value]) => `${what.padEnd(14)}${value}`), ""];
  });
  return `${lines.join("\n")}\n"cauce deploy" deploys it, after a look at what is deployed.\n`;
}

/** Finds the script of the CDK's command line. Throws `package_missing`. */
export async function findCdk(): Promise<string> {
  const require = createRequire(import.meta.url);
  return withPeers("cauce deploy", cdkPackages, async () => {
    const description = require.resolve("aws-cdk/package.json");
    return join(dirname(description), (require(description) as { bin: { cdk: string } }).bin.cdk);
  });
}

/** Runs the CDK's command line over an assembly and passes on what it says. Throws `deploy_failed` unless it ends with 0. */
export async function runCdk(
  script: string,
  [command, ...args]: readonly [string, ...string[]],
  { directory, output }: { readonly directory: string; readonly output: Output },
): Promise<void> {
  const child = spawn(process.execPath, [script, command, "--app", directory, "--no-notices", ...args], {
    // The working directory may hold the cdk.json of another app.
    cwd: directory,
    stdio: ["ignore", "pipe", "pipe"],
  });
  child.stdout.setEncoding("utf8").on("data", output.out);
  child.stderr.setEncoding("utf8").on("data", output.err);
  const [code, signal] = await once(child, "close");
  if (code === 0) return;
  throw new CauceError("deploy_failed", `cdk ${command} ended with ${signal ?? code}; what it said stands above`);
}
