import { withPeers } from "../../deploy/optionalPeers.ts";
import type { Settings } from "../../node/settings.ts";
import { sdkPackages } from "../awsStore.ts";
import { inTemporaryDirectory } from "../init.ts";
import { loadApp } from "../loadApp.ts";
import type { Output } from "../output.ts";
import { confirmed } from "../remote/changing.ts";
import { refuseDeployment } from "./deployed.ts";
import { assemble, findCdk, runCdk } from "./synth.ts";

interface DeployOptions {
  readonly output: Output;
  /** Whether to go on if orders would be stranded or messages deleted. */
  readonly force: boolean;
  /** Whether to go on without asking. */
  readonly yes: boolean;
  /** The script of the CDK's command line. Default: that of the installed aws-cdk. */
  readonly cdk?: string;
}

/**
 * Makes or updates an app's stacks: shows what would change, looks at what is deployed, asks, and deploys. Throws
 * `orders_stranded`, `queue_in_use`, `deploy_failed`, and before it bundles anything `store_denied` without credentials.
 */
export async function deploy(path: string, settings: Settings<"stack">, options: DeployOptions): Promise<void> {
  const { output, force, yes } = options;
  const apps = await loadApp(path);
  const script = options.cdk ?? (await findCdk());
  const { readDeployed, refuseUnknownAccount } = await withPeers(
    "cauce deploy",
    sdkPackages,
    () => import("./deployed.ts"),
  );
  await refuseUnknownAccount();
  await inTemporaryDirectory("cauce-deploy-", async (outDirectory) => {
    const { directory, stacks } = await assemble({ apps, path, settings, outDirectory, output });
    const names = stacks.map(({ name }) => name);
    const run = (...args: [string, ...string[]]) => runCdk(script, [...args, ...names], { directory, output });
    await run("diff");
    const look = async (): Promise<void> => {
      output.err("Looking at what is deployed …\n");
      for (const { workflow, topology } of stacks) {
        refuseDeployment(workflow, topology, await readDeployed(workflow.name, settings.stage));
      }
    };
    if (!force) await look();
    if (!(await confirmed(output, `Deploy ${names.join(", ")}`, yes))) return;
    // The answer may have taken an hour.
    if (!force && !yes) await look();
    await run("deploy", "--require-approval", "never", "--progress", "events");
  });
}
