import { resolve } from "node:path";
import { CauceError } from "../../core/errors.ts";
import type { App } from "../../core/handlers.ts";
import { formatKeyLine } from "../../http/keys.ts";
import type { Access } from "../../infra/access.ts";
import { type Assembly, synthesize } from "../../infra/cdk/synth.ts";
import type { StackSettings } from "../../runtime/settings.ts";
import { readKeys } from "../keys.ts";
import { loadApp } from "../loadApp.ts";
import type { Output } from "../report.ts";
import { usableDirectory } from "../usableDirectory.ts";

/** Writes the templates and bundles of an app's workflows into a directory, checked, and tells what they would make. */
export async function synth(path: string, settings: StackSettings, out: string, output: Output): Promise<void> {
  const apps = await loadApp(path);
  usableDirectory(out);
  const assembly = await assemble({ apps, path, settings, outDirectory: resolve(out), output });
  output.out(summary(assembly));
}

export async function assemble(options: {
  readonly apps: readonly App[];
  readonly path: string;
  readonly settings: StackSettings;
  readonly outDirectory: string;
  readonly output: Output;
  /** Whether broken rules of cdk-nag and CloudFormation are errors. Default true. */
  readonly checks?: boolean;
}): Promise<Assembly> {
  const { apps, path, settings, outDirectory, output, checks = true } = options;
  const access = accessOf(settings);
  output.err(`Bundling and checking ${apps.map(({ workflow }) => workflow.name).join(", ")} …\n`);
  const { stage, delivery, processors, compute, accountConcurrency, retentionDays, alarmTopicArn } = settings;
  return synthesize({
    ...{ stage, delivery, processors, compute, accountConcurrency, retentionDays, alarmTopicArn, access },
    ...{ app: apps, module: resolve(path), outDirectory, checks },
  });
}

/** Who may call the API. Throws `keys_required` where nobody said. */
function accessOf(settings: StackSettings): Access | undefined {
  if (settings.compute === "kubernetes") return undefined;
  if (settings.public) return "public";
  const auth = readKeys(settings);
  if (auth !== undefined) return { keys: auth.keys.map(formatKeyLine).join("\n") };
  throw new CauceError(
    "keys_required",
    'whoever finds the API\'s address could call it; make a key with "cauce keys create --role operate --file FILE" and give it with --keys FILE, or say --public',
  );
}

/** What the templates would make, by name. */
export function summary({ stacks }: Assembly): string {
  const lines = stacks.flatMap(({ name, topology, templateFile }) => {
    const rows: [string, string][] = [
      ["stack", name],
      ["template", templateFile],
      ["table", topology.table],
      ["topic", topology.topic],
      ["queues", [...topology.queues.map((queue) => queue.name), topology.unrouted.name].join(", ")],
      ["dead letters", topology.queues.map(({ deadLetters }) => deadLetters).join(", ")],
      ...(topology.functions.length === 0
        ? ([["roles", topology.pods.map(({ role }) => role).join(", ")]] as [string, string][])
        : ([["functions", topology.functions.map((each) => each.name).join(", ")]] as [string, string][])),
    ];
    return [...rows.map(([what, value]) => `${what.padEnd(14)}${value}`), ""];
  });
  return `${lines.join("\n")}\n"cauce deploy" deploys it, after a look at what is deployed.\n`;
}
