import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Table } from "aws-cdk-lib/aws-dynamodb";
import type { Function as Lambda } from "aws-cdk-lib/aws-lambda";
import { StringParameter } from "aws-cdk-lib/aws-ssm";
import { Construct } from "constructs";
import type { App } from "../../core/handlers.ts";
import { bundleFunction } from "../bundle.ts";
import { type Topology, type TopologyOptions, topologyOf } from "../topology.ts";
import { addApi, type Throttle } from "./api.ts";
import { addFunctions } from "./functions.ts";
import { addMessaging, type Messaging } from "./messaging.ts";
import { addTable } from "./storage.ts";
import { addWatching } from "./watching.ts";

export interface CauceProps extends TopologyOptions {
  readonly app: App;
  /** The absolute path of the module whose default export `app` is; the functions' bundles begin there. */
  readonly module: string;
  /** Who may call: lines of a keys file (`cauce keys create`), or everybody, spelled out. */
  readonly access: { readonly keys: string } | "public";
  /** Default 1,000 requests a second, 2,000 at once. */
  readonly throttle?: Throttle | undefined;
}

/**
 * Everything that a workflow needs on AWS, from its definition: for an app of the CDK of your own. Throws
 * `setting_invalid` for names and times that AWS does not take.
 */
export class Cauce extends Construct {
  readonly topology: Topology;
  readonly table: Table;
  readonly messaging: Messaging;
  readonly functions: ReadonlyMap<string, Lambda>;

  constructor(scope: Construct, id: string, props: CauceProps) {
    super(scope, id);
    const { app, module, access, throttle = { ratePerSecond: 1_000, burst: 2_000 } } = props;
    const topology = topologyOf(app.workflow, props);
    this.topology = topology;
    this.table = addTable(this, topology);
    this.messaging = addMessaging(this, topology);
    const bundles = mkdtempSync(join(tmpdir(), "cauce-functions-"));
    this.functions = addFunctions(this, {
      topology,
      table: this.table,
      messaging: this.messaging,
      codeOf: (plan) => {
        const directory = join(bundles, plan.name);
        bundleFunction({ module, app, plan, directory });
        return directory;
      },
      access: access === "public" ? { CAUCE_PUBLIC: "true" } : { CAUCE_KEYS: this.#keys(topology, access.keys) },
    });
    const request = topology.functions.find(({ role }) => role === "request");
    if (request !== undefined) addApi(this, topology, this.functions.get(request.name) as Lambda, throttle);
    addWatching(this, { topology, messaging: this.messaging, functions: this.functions });
  }

  /** The keys' hashes; the keys themselves are nowhere. */
  #keys({ workflow, stage }: Topology, keys: string): string {
    return new StringParameter(this, "Keys", {
      parameterName: `/${workflow}/keys/${stage}`,
      stringValue: keys,
      description: "Hashes of the API keys, one a line.",
    }).stringValue;
  }
}
