import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { accountConcurrencyDefault } from "../../backend/aws/quotas.ts";
import { CauceError } from "../../core/errors.ts";
import type { App } from "../../core/handlers.ts";
import type { AnyWorkflow } from "../../core/workflow.ts";
import { withPeers } from "../optionalPeers.ts";
import type { Topology } from "../topology.ts";
import type { CauceProps } from "./cauce.ts";

export interface SynthesizeOptions extends Omit<CauceProps, "app"> {
  /** Each app gets a stack of its own. */
  readonly app: App | readonly App[];
  /** Where the templates and the functions' bundles go. Made if it is missing. */
  readonly outDirectory: string;
  /** Whether a broken rule of cdk-nag or of CloudFormation is an error. The checks take a few seconds. */
  readonly checks: boolean;
}

/** A cloud assembly, as `cdk deploy --app DIRECTORY` takes it. */
export interface Assembly {
  readonly directory: string;
  readonly stacks: readonly AssembledStack[];
}

interface AssembledStack {
  /** `orders-dev` */
  readonly name: string;
  readonly workflow: AnyWorkflow;
  readonly topology: Topology;
  readonly templateFile: string;
  /** The CloudFormation template, as data. */
  readonly template: unknown;
}

/** The packages that deploying needs besides Cauce. */
export const cdkPackages = ["aws-cdk-lib", "constructs", "cdk-nag", "esbuild", "aws-cdk"];

/**
 * Writes the templates of an app's workflows and the bundles of their functions. Throws `package_missing`,
 * `stack_invalid` with each broken rule, and the errors of `Cauce` and of the bundler.
 */
export async function synthesize({ app, outDirectory, checks, ...props }: SynthesizeOptions): Promise<Assembly> {
  const { lib, Cauce, AwsSolutionsChecks } = await withPeers("cauce synth", cdkPackages, async () => ({
    lib: await import("aws-cdk-lib"),
    ...(await import("./cauce.ts")),
    ...(checks ? await import("cdk-nag") : { AwsSolutionsChecks: undefined }),
  }));
  mkdirSync(outDirectory, { recursive: true });
  const cdk = new lib.App({
    ...{ outdir: outDirectory, autoSynth: false, analyticsReporting: false, treeMetadata: false },
    ...{ context: checkingContext, builtinCloudFormationValidation: checks },
  });
  if (AwsSolutionsChecks !== undefined) lib.Validations.of(cdk).addPlugins(new AwsSolutionsChecks());
  const apps: readonly App[] = [app].flat();
  // The apps share one account.
  const accountConcurrency = Math.floor((props.accountConcurrency ?? accountConcurrencyDefault) / apps.length);
  const made = apps.map((each) => {
    const { workflow } = each;
    const { stage = "dev" } = props;
    const stack = new lib.Stack(cdk, `${workflow.name}-${stage}`, {
      description: `Cauce: the workflow "${workflow.name}", stage ${stage}.`,
      terminationProtection: stage !== "dev",
    });
    const { topology } = new Cauce(stack, "Cauce", { ...props, accountConcurrency, app: each });
    return { name: stack.stackName, workflow, topology };
  });
  const assembly = cdk.synth();
  if (checks) refuseBroken(assembly.directory);
  return {
    directory: assembly.directory,
    stacks: made.map((each) => {
      const { templateFullPath: templateFile, template } = assembly.getStackByName(each.name);
      return { ...each, templateFile, template };
    }),
  };
}

/** Flags under which the CDK takes each rule for an error, and leaves the report to us. */
export const checkingContext = {
  "@aws-cdk/core:validateAgainstDefaultRules": true,
  "@aws-cdk/core:failSynthOnValidationErrors": false,
};

const reportFile = "validation-report.json";

interface Report {
  readonly pluginReports: readonly {
    readonly pluginName: string;
    readonly violations: readonly {
      readonly ruleName: string;
      readonly description: string;
      readonly violatingConstructs: readonly { readonly constructPath?: string }[];
    }[];
  }[];
}

/** Reads what the checks found in an assembly. Throws `stack_invalid` with each broken rule and where it is broken. */
export function refuseBroken(directory: string): void {
  const file = join(directory, reportFile);
  // There is no file if no plugin checked anything.
  if (!existsSync(file)) throw new CauceError("stack_invalid", `${directory} was not checked: it has no ${reportFile}`);
  const { pluginReports } = JSON.parse(readFileSync(file, "utf8")) as Report;
  const broken = pluginReports.flatMap(({ pluginName, violations }) =>
    violations.map(({ ruleName, description, violatingConstructs }) => {
      const where = violatingConstructs.map(({ constructPath = "the template" }) => constructPath).join(", ");
      return `${pluginName} ${ruleName} at ${where}: ${description.trim()}`;
    }),
  );
  if (broken.length === 0) return;
  throw new CauceError("stack_invalid", broken.join("; "));
}
