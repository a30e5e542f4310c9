import type { Command } from "commander";
import { cauceVariables } from "../../runtime/env.ts";
import { readStackSettings, stackSettings } from "../../runtime/settings.ts";
import { addOptions, flagsOf } from "../flags.ts";
import type { Output } from "../report.ts";

type Given = Record<string, string | boolean>;

/** `cauce synth` and `cauce deploy`. The CDK is loaded by them and by nothing else. */
export function addStackCommands(program: Command, output: Output): void {
  const settingsOf = (given: Given) => readStackSettings(flagsOf(stackSettings, given), cauceVariables());

  const synthCommand = program
    .command("synth")
    .description("Writes the CloudFormation template of an app's workflows, and the code of their functions.")
    .argument("<app>", "module of the app, as for start")
    .requiredOption("--out <directory>", "where they are written; made where it is missing");
  addOptions(synthCommand, stackSettings);
  synthCommand
    .addHelpText(
      "after",
      `
No account is needed. The rules of cdk-nag and CloudFormation's own are errors.

Examples:
  $ cauce synth shop.app.ts --out cdk.out --keys shop.keys
  $ cauce synth shop.app.ts --out cdk.out --stage prod --delivery fifo --processors per-status --keys shop.keys
  $ cauce synth shop.app.ts --out cdk.out --compute kubernetes`,
    )
    .action(async (app: string, { out, ...given }: Given) => {
      const chosen = settingsOf(given);
      const { synth } = await import("./synth.ts");
      return synth(app, chosen, String(out), output);
    });

  const deployCommand = program
    .command("deploy")
    .description("Makes or updates an app's stacks in your AWS account, after showing what changes.")
    .argument("<app>", "module of the app, as for start");
  addOptions(deployCommand, stackSettings);
  deployCommand
    .option("--force", "deploy even where orders would be stranded or messages deleted")
    .option("--yes", "do not ask")
    .addHelpText(
      "after",
      `
Credentials and Region are the AWS SDK's: AWS_PROFILE, AWS_REGION. Run "npx cdk bootstrap" once for each.

Examples:
  $ cauce deploy shop.app.ts --keys shop.keys
  $ cauce deploy shop.app.ts --stage prod --keys shop.keys --yes`,
    )
    .action(async (app: string, { force, yes, ...given }: Given) => {
      const chosen = settingsOf(given);
      const { deploy } = await import("./deploy.ts");
      return deploy(app, chosen, { output, force: force === true, yes: yes === true });
    });
}
