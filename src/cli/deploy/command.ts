import { type Command, Option } from "commander";
import { CauceError } from "../../core/errors.ts";
import { parseAs } from "../../node/readSettings.ts";
import { settings } from "../../node/settings.ts";
import { addCommand, addSettings, givenSettings, type Output } from "../output.ts";
import type { EmulateFlags } from "./emulate.ts";

type Given = Record<string, unknown>;

/** `cauce synth` and `cauce deploy`. The CDK is loaded by them and by nothing else. */
export function addStackCommands(program: Command, output: Output): void {
  const synthCommand = addCommand(program, "synth", {
    says: "Writes the CloudFormation template of an app's workflows, and the code of their functions.",
    notes: "It needs no account. A broken rule of cdk-nag or of CloudFormation is an error.",
    examples: [
      "synth shop.app.ts --out cdk.out --keys shop.keys",
      "synth shop.app.ts --out cdk.out --stage prod --delivery fifo --processors per-status --keys shop.keys",
      "synth shop.app.ts --out cdk.out --compute kubernetes",
    ],
  })
    .argument("<app>", "module of the app, as for start")
    .requiredOption("--out <directory>", "where they are written; made if it is missing");
  addSettings(synthCommand, "stack").action(async (app: string, { out, ...given }: Given) => {
    const chosen = givenSettings("stack", given);
    const { synth } = await import("./synth.ts");
    return synth(app, chosen, String(out), output);
  });

  const deployCommand = addCommand(program, "deploy", {
    says: "Makes or updates an app's stacks in your AWS account, after showing what changes.",
    notes: `Credentials and Region are the AWS SDK's: AWS_PROFILE, AWS_REGION. Run "npx cdk bootstrap" once for each
account and Region.`,
    examples: ["deploy shop.app.ts --keys shop.keys", "deploy shop.app.ts --stage prod --keys shop.keys --yes"],
  }).argument("<app>", "module of the app, as for start");
  addSettings(deployCommand, "stack")
    .option("--force", "deploy even where orders would be stranded or messages deleted")
    .option("--yes", "do not ask")
    .action(async (app: string, { force, yes, ...given }: Given) => {
      const chosen = givenSettings("stack", given);
      const { deploy } = await import("./deploy.ts");
      return deploy(app, chosen, { output, force: force === true, yes: yes === true });
    });
}

const seedMax = 999_999_999;

/** `cauce emulate`. The emulators and the CDK are loaded by it and by nothing else. */
export function addEmulateCommand(program: Command, output: Output): void {
  const command = addCommand(program, "emulate", {
    says: "Runs the template that would be deployed on this machine: no account, no Docker.",
    notes: `It needs dynalite, fauxqs, the AWS SDK, the CDK and esbuild, and names those that are missing.
The log of the functions goes to standard error. SIGINT or SIGTERM end it.`,
    examples: [
      "emulate shop.app.ts --public",
      "emulate shop.app.ts --public --delivery fifo --processors per-status --data ./aws",
      "emulate shop.app.ts --public --chaos --seed 7",
    ],
  }).argument("<app>", "module of the app, as for start");
  addSettings(command, "stack")
    .addOption(
      new Option("--port <port>", "port of the HTTP API; a second workflow gets the next one; 0 takes any free port")
        .argParser((text) => parseAs(settings.port.takes, text, "--port"))
        .default(3_000),
    )
    .option("--data <directory>", "keep the tables here (default: in memory)")
    .option("--chaos", "fail calls, repeat and reorder messages, delay filters and kill functions")
    .option("--seed <number>", "number that the faults of --chaos follow from (default: a random one)", (text) =>
      parseAs({ from: 0, to: seedMax }, text, "--seed"),
    )
    .action(async (app: string, { port, data, chaos, seed: given, ...flags }: Given & EmulateFlags) => {
      const chosen = givenSettings("stack", flags);
      if (given !== undefined && !chaos) throw new CauceError("setting_invalid", "--seed is for --chaos; add it");
      const seed = chaos ? (given ?? Math.floor(Math.random() * seedMax)) : undefined;
      const { emulateApp } = await import("./emulate.ts");
      return emulateApp(app, chosen, { port, data, seed }, output);
    });
}
