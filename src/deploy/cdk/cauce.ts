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
import type { DutyValues } from "../../node/settings.ts";
import { type ApiKeys, storedKeys } from "../apiKeys.ts";
import { bundleFunction } from "../bundle.ts";
import { type FunctionPlan, type PodRole, type Topology, type TopologyOptions, topologyOf } from "../topology.ts";
import { addApi, type Throttle } from "./api.ts";
import { addFunctions, addPods, queueUrlBase } from "./compute.ts";
import { addMessaging, type Messaging } from "./messaging.ts";
import { addMonitoring } from "./monitoring.ts";
import { addTable } from "./storage.ts";

export interface CauceProps extends TopologyOptions {
  readonly app: App;
  /** The absolute path of the module whose default export is `app`, or holds it; the functions' bundles begin there. */
  readonly module: string;
  /** Who may call. Needed but where pods serve the API, which bring keys of their own. */
  readonly access?: ApiKeys | undefined;
  /** The sweep removes orders so many days after they came to a final status; without it they stay. */
  readonly retentionDays?: number | undefined;
  /** Whether the functions write figures for CloudWatch into their logs. Default true. */
  readonly metrics?: boolean | undefined;
  /** The folder of a function's code, whose `index.mjs` exports `handler`. Default: one that esbuild bundles. */
  readonly codeOf?: ((plan: FunctionPlan) => string) | undefined;
  /** The topic of SNS that each alarm tells when it rings and when it ends. Default: alarms tell nobody. */
  readonly alarmTopicArn?: string | undefined;
  /** Default 1,000 requests a second, 2,000 at once. */
  readonly throttle?: Throttle | undefined;
}

/**
 * Everything that a workflow needs on AWS, from its definition: for an app of the CDK of your own. Throws
 * `setting_invalid` for names and times that AWS does not take, `keys_required` where nobody said who may call,
 * `keys_invalid`.
 */
export class Cauce extends Construct {
  readonly topology: Topology;
  readonly table: Table;
  readonly messaging: Messaging;
  readonly functions: ReadonlyMap<string, Lambda>;
  /** What pods assume; empty where functions run the handlers. */
  readonly pods: ReadonlyMap<PodRole, Role>;
  /** Without `alarmTopicArn` they tell nobody yet: give them actions. */
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
      this.functions = addFunctions(this, {
        ...resources,
        told,
        codeOf: (plan) => {
          if (props.codeOf !== undefined) return props.codeOf(plan);
          const directory = join(bundles, plan.name);
          bundleFunction({ module: props.module, app, plan, directory });
          return directory;
        },
      });
    } finally {
      // The CDK has copied what it needs.
      rmSync(bundles, { recursive: true });
    }
    this.pods = addPods(this, resources);
    const request = topology.functions.find(({ role }) => role === "request");
    if (request !== undefined) addApi(this, topology, this.functions.get(request.name) as Lambda, throttle);
    new CfnOutput(this, "TopicArn", { value: this.messaging.topic.topicArn, description: "CAUCE_TOPIC_ARN" });
    new CfnOutput(this, "QueueUrlBase", {
      value: queueUrlBase(this.messaging),
      description: "CAUCE_QUEUE_URL_BASE",
    });
    this.alarms = addMonitoring(this, {
      topology,
      messaging: this.messaging,
      functions: this.functions,
      alarmTopicArn: props.alarmTopicArn,
    });
  }
}

/** What the functions are told besides where things are. The keys' hashes are a parameter; the keys themselves are nowhere. */
function toldToFunctions(
  scope: Construct,
  { workflow, stage, compute }: Topology,
  { access, retentionDays, metrics = true }: CauceProps,
): DutyValues {
  if (compute === "kubernetes") return {};
  if (access === undefined) {
    throw new CauceError(
      "keys_required",
      `workflow "${workflow}": whoever finds the API's address could call it; give the API keys' file, made with "cauce keys create --role operate --file FILE", or say that it is public`,
    );
  }
  checkOption(`workflow "${workflow}"`, "retentionDays", retentionDays);
  return {
    metrics: metrics ? undefined : false,
    ...(access === "public"
      ? { public: true }
      : {
          keys: new StringParameter(scope, "Keys", {
            // Systems Manager takes no name that begins with aws or ssm, and a workflow's may.
            parameterName: `/cauce/${workflow}/keys/${stage}`,
            stringValue: storedKeys(access.keys, "the keys"),
            description: "Hashes of the API keys, one a line.",
          }).stringValue,
        }),
    retentionDays,
  };
}
