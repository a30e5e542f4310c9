import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CfnOutput } from "aws-cdk-lib";
import type { Alarm } from "aws-cdk-lib/aws-cloudwatch";
import type { Table } from "aws-cdk-lib/aws-dynamodb";
import type { Role } from "aws-cdk-lib/aws-iam";
import type { Function as Lambda } from "aws-cdk-lib/aws-lambda";
import { StringParameter } from "aws-cdk-lib/aws-ssm";
import { Construct } from "constructs";
import { CauceError } from "../../core/errors.ts";
import type { App } from "../../core/handlers.ts";
import { checkOption } from "../../node/readSettings.ts";
import { type DutyValues, type Setting, settings } from "../../node/settings.ts";
import { bundleFunction } from "../bundle.ts";
import { type ApiKeys, storedKeys } from "../permissions.ts";
import { type FunctionPlan, type PodRole, type Topology, type TopologyOptions, topologyOf } from "../topology.ts";
import { addApi, addFunctions, addPods, queueUrlBase, type Throttle } from "./compute.ts";
import { addMonitoring } from "./monitoring.ts";
import { addMessaging, addTable, type Messaging } from "./storage.ts";

export interface CauceProps extends TopologyOptions {
  readonly app: App;
  /** The absolute path of the module whose default export is `app`, or holds it; the functions' bundles begin there. */
  readonly module: string;
  /** Who may call. Required, except with `compute: "kubernetes"`: pods serve the API with keys of their own. */
  readonly access?: ApiKeys | undefined;
  /** Days after which the sweep removes orders in a final status. Default: they stay. */
  readonly retentionDays?: number | undefined;
  /** Whether the functions write metrics for CloudWatch into their logs. Default true. */
  readonly metrics?: boolean | undefined;
  /** Gives the folder of a function's code, whose `index.mjs` exports `handler`. Default: a bundle that esbuild makes. */
  readonly codeOf?: ((plan: FunctionPlan) => string) | undefined;
  /** ARN of the SNS topic that each alarm tells when it rings and when it ends. Default: no alarm tells anyone. */
  readonly alarmTopicArn?: string | undefined;
  /** Default 1,000 requests a second, 2,000 at once. */
  readonly throttle?: Throttle | undefined;
}

/**
 * Makes everything that a workflow needs on AWS, from its definition, in a CDK app of your own. Throws `setting_invalid`
 * for names and times that AWS does not take, `keys_required` if the props do not say who may call, `keys_invalid`.
 */
export class Cauce extends Construct {
  readonly topology: Topology;
  readonly table: Table;
  readonly messaging: Messaging;
  readonly functions: ReadonlyMap<string, Lambda>;
  /** What pods assume; empty where functions run the handlers. */
  readonly pods: ReadonlyMap<PodRole, Role>;
  /** Without `alarmTopicArn` no alarm has an action yet. Add your own. */
  readonly alarms: readonly Alarm[];

  constructor(scope: Construct, id: string, props: CauceProps) {
    super(scope, id);
    const { app, throttle = { ratePerSecond: 1_000, burst: 2_000 } } = props;
    const topology = topologyOf(app.workflow, props);
    this.topology = topology;
    this.table = addTable(this, topology);
    this.messaging = addMessaging(this, topology);
    const resources = { topology, table: this.table, messaging: this.messaging };
    const told = toldToFunctions(this, topology, props);
    const bundles = mkdtempSync(join(tmpdir(), "cauce-functions-"));
    try {
      this.functions = addFunctions(this, resources, told, (plan) => {
        if (props.codeOf !== undefined) return props.codeOf(plan);
        const directory = join(bundles, plan.name);
        bundleFunction({ module: props.module, app, plan, directory });
        return directory;
      });
    } finally {
      // The CDK has copied the bundles.
      rmSync(bundles, { recursive: true });
    }
    this.pods = addPods(this, resources);
    const request = topology.functions.find(({ role }) => role === "request");
    if (request !== undefined) addApi(this, topology, this.functions.get(request.name) as Lambda, throttle);
    const output = (id: string, value: string, { variable }: Setting) =>
      new CfnOutput(this, id, { value, description: variable });
    output("TopicArn", this.messaging.topic.topicArn, settings.topicArn);
    output("QueueUrlBase", queueUrlBase(this.messaging), settings.queueUrlBase);
    const { alarmTopicArn } = props;
    this.alarms = addMonitoring(this, { ...resources, functions: this.functions, alarmTopicArn });
  }
}

/**
 * Says what the functions are told besides where the resources are. The hashes of the keys are a parameter of Systems
 * Manager; the keys themselves are nowhere.
 */
function toldToFunctions(
  scope: Construct,
  { workflow, stage, compute }: Topology,
  { access, retentionDays, metrics = true }: CauceProps,
): DutyValues {
  if (compute === "kubernetes") return {};
  if (access === undefined) {
    throw new CauceError(
      "keys_required",
      `workflow "${workflow}": everyone who finds the API's address could call it; give the API keys' file, made with "cauce keys create --role operate --file FILE", or say that it is public`,
    );
  }
  checkOption(`workflow "${workflow}"`, "retentionDays", retentionDays);
  const told = { metrics: metrics ? undefined : false, retentionDays };
  if (access === "public") return { ...told, public: true };
  const keys = new StringParameter(scope, "Keys", {
    // Systems Manager takes no name that begins with aws or ssm, and a workflow's may.
    parameterName: `/cauce/${workflow}/keys/${stage}`,
    stringValue: storedKeys(access.keys, "the keys"),
    description: "Hashes of the API keys, one a line.",
  });
  return { ...told, keys: keys.stringValue };
}
