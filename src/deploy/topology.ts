import { resourceNames } from "../backend/aws/names.ts";
import {
  concurrencyMax,
  concurrencyMin,
  functionNameLengthMax,
  functionSecondsMax,
  httpApiSecondsMax,
  queueNameLengthMax,
  receivesMax,
  topicFiltersMax,
  visibilitySecondsMax,
} from "../backend/aws/quotas.ts";
import type { DeliveryMode } from "../backend/port.ts";
import { CauceError } from "../core/errors.ts";
import {
  type AnyWorkflow,
  type HandledStatus,
  handledStatuses,
  leaseSecondsOf,
  retryOf,
  type StatusDefinition,
  statusOf,
  timeoutSecondsOf,
} from "../core/workflow.ts";
import { type SourcePlan, sourcesOf } from "./eventSourceMappings.ts";

/** How a workflow is laid out on AWS. */
export interface TopologyOptions {
  /** Part of every resource's name: `orders-table-dev`. Default `dev`. */
  readonly stage?: string | undefined;
  /** Default `standard`. */
  readonly delivery?: DeliveryMode | undefined;
  /** One processing function for all statuses, or one for each. Default `shared`. */
  readonly processors?: Processors | undefined;
  /** Who runs the handlers: functions, or pods that assume the roles made for them. Default `lambda`. */
  readonly compute?: Compute | undefined;
  /** How many functions the account runs at once in the Region. Default 1,000, AWS's own; new accounts start lower. */
  readonly accountConcurrency?: number | undefined;
}

export type Processors = "shared" | "per-status";
export type Compute = "lambda" | "kubernetes";

/** Everything that one workflow needs in one stage, as plain data: what is rendered, compared and emulated. */
export interface Topology {
  readonly workflow: string;
  readonly stage: string;
  readonly delivery: DeliveryMode;
  readonly processors: Processors;
  readonly compute: Compute;
  readonly table: string;
  readonly topic: string;
  /** One for each handled status, in the definition's order. */
  readonly queues: readonly QueuePlan[];
  /** Where the messages of no known status go, so that a gap in the filters is seen. */
  readonly unrouted: UnroutedPlan;
  /** Empty where pods run the handlers. */
  readonly functions: readonly FunctionPlan[];
  /** What each kind of pod assumes; empty where functions run the handlers. */
  readonly pods: readonly PodPlan[];
  readonly sources: readonly SourcePlan[];
  readonly sweepEverySeconds: number;
}

export interface QueuePlan {
  readonly status: string;
  readonly name: string;
  readonly deadLetters: string;
  /** How long a received message stays hidden, in seconds. */
  readonly visibilitySeconds: number;
  /** After so many receives a message goes to the dead letters. */
  readonly receivesMost: number;
  readonly filter: { readonly status: readonly string[] };
}

export interface UnroutedPlan {
  readonly name: string;
  readonly filter: { readonly status: readonly [{ readonly "anything-but": readonly string[] }] };
}

/** A kind of process in a pod: `cauce start --role api`, `cauce start --role work`, `cauce sweep`. */
export type PodRole = "api" | "work" | "sweeper";

export interface PodPlan {
  readonly role: PodRole;
  /** Whether what it does may bring an order into a handled status, whose message it publishes. */
  readonly publishes: boolean;
}

export type FunctionRole = "request" | "processing" | "sweep";

export interface FunctionPlan {
  readonly name: string;
  readonly role: FunctionRole;
  /** The statuses whose handlers it holds; of a request or sweep function, none. */
  readonly statuses: readonly string[];
  /** Whether what it does may bring an order into a handled status, whose message it publishes. */
  readonly publishes: boolean;
  readonly timeoutSeconds: number;
  readonly memoryMegabytes: number;
}

/** Of a function's time: its first read and its last commit, 10 s each at most (law 1). */
const aroundHandlerSeconds = 20;
const sweepEverySeconds = 60;
/** The file of a function's bundle, which its `Handler` names: `index.handler`. */
export const bundleFile = "index.mjs";
/** A throttled function uses up receives that no handler saw. */
const receivesSpare = 50;
const lengthsMost = { queue: queueNameLengthMax, function: functionNameLengthMax };

/** Throws `setting_invalid` for what a resource's name, a queue or a function cannot be. */
export function topologyOf(workflow: AnyWorkflow, options: TopologyOptions = {}): Topology {
  const { stage = "dev", delivery = "standard", processors = "shared", compute = "lambda" } = options;
  const names = resourceNames(workflow.name, stage, delivery);
  const suffix = delivery === "fifo" ? ".fifo" : "";
  const named = (what: string) => `${workflow.name}-${what}-${stage}`;
  const statuses = handledStatuses(workflow);
  const handled = (status: string) => statusOf(workflow, status) as HandledStatus;
  const functionSeconds = (some: readonly string[]): number =>
    Math.max(...some.map((status) => timeoutSecondsOf(handled(status)))) + aroundHandlerSeconds;

  const enters = (names: readonly (string | undefined)[]) => names.some((name) => name && statuses.includes(name));
  const leadsOn = (some: readonly string[]) =>
    some.some((status) => enters([...handled(status).to, handled(status).exhausted]));
  const expires = enters(
    Object.values(workflow.statuses as Record<string, StatusDefinition>).map((status) => status.expires?.to),
  );

  const processing = (processors === "shared" ? [statuses] : statuses.map((status) => [status]))
    .filter((some) => some.length > 0)
    .map(
      (some): FunctionPlan => ({
        name: processors === "shared" ? named("processing") : named(`processing-${some[0]}`),
        role: "processing",
        statuses: some,
        publishes: leadsOn(some),
        timeoutSeconds: functionSeconds(some),
        memoryMegabytes: 256,
      }),
    );
  const functionOf = (status: string) => processing.find((each) => each.statuses.includes(status)) as FunctionPlan;

  const queues = statuses.map(
    (status): QueuePlan => ({
      status,
      name: names.queue(status),
      deadLetters: `${named(`${status}-dead`)}${suffix}`,
      // A queue that invokes a function hides its messages for as long as that may run. AWS advises six times that, for
      // batches that wait for room: a message that comes back early may run a handler twice, of which one commits, while
      // each of a killed function would be hidden six times as long.
      visibilitySeconds: Math.max(
        leaseSecondsOf(handled(status)),
        compute === "lambda" ? functionOf(status).timeoutSeconds : 0,
      ),
      receivesMost: receivesMostOf(handled(status), delivery),
      filter: { status: [status] },
    }),
  );
  const topology: Topology = {
    ...{ workflow: workflow.name, stage, delivery, processors, compute },
    table: names.table,
    topic: names.topic,
    queues,
    unrouted: { name: `${named("unrouted")}${suffix}`, filter: { status: [{ "anything-but": statuses }] } },
    functions:
      compute === "kubernetes"
        ? []
        : [
            {
              name: named("request"),
              role: "request",
              statuses: [],
              publishes: true,
              timeoutSeconds: httpApiSecondsMax,
              memoryMegabytes: 256,
            },
            ...processing,
            {
              name: named("sweep"),
              role: "sweep",
              statuses: [],
              publishes: expires,
              timeoutSeconds: functionSecondsMax,
              memoryMegabytes: 256,
            },
          ],
    pods:
      compute === "kubernetes"
        ? [
            { role: "api", publishes: true },
            { role: "work", publishes: leadsOn(statuses) },
            { role: "sweeper", publishes: expires },
          ]
        : [],
    sources:
      compute === "kubernetes"
        ? []
        : sourcesOf(statuses, {
            workflow: workflow.name,
            concurrencyOf: (status) => handled(status).concurrency,
            accountConcurrency: options.accountConcurrency,
            queueOf: names.queue,
            functionOf: (status) => functionOf(status).name,
          }),
    sweepEverySeconds,
  };
  refuse(topology);
  refuseConcurrency(workflow);
  return topology;
}

/**
 * Attempts are counted in the order and not by the queue, so a message that comes again and again is one whose function
 * dies or is throttled. In FIFO each attempt is a receive of the same message, and so is each time that it is put back
 * behind another of its group.
 */
function receivesMostOf(status: HandledStatus, delivery: DeliveryMode): number {
  if (delivery === "fifo") return receivesMax;
  return Math.min(receivesMax, retryOf(status).attempts + 1 + receivesSpare);
}

function refuse({ workflow, stage, queues, unrouted, functions }: Topology): void {
  const invalid = (what: string) => new CauceError("setting_invalid", `workflow "${workflow}": ${what}`);
  if (!/^[a-z0-9]+$/.test(stage)) throw invalid(`the stage is "${stage}"; it must be lower-case letters and digits`);
  const names = [...queues.flatMap(({ name, deadLetters }) => [name, deadLetters]), unrouted.name];
  const twice = names.find((name, n) => names.indexOf(name) !== n);
  if (twice !== undefined) throw invalid(`two queues would be called ${twice}; give one of the statuses another name`);
  for (const [kind, each] of [
    ...names.map((name) => ["queue", name] as const),
    ...functions.map(({ name }) => ["function", name] as const),
  ]) {
    if (each.length <= lengthsMost[kind]) continue;
    throw invalid(
      `the ${kind} ${each} has ${each.length} characters and AWS takes ${lengthsMost[kind]}; shorten the names of workflow, status or stage`,
    );
  }
  if (queues.length === 0) throw invalid("no status is handled, so there is nothing to queue; give one a handler");
  if (queues.length >= topicFiltersMax) {
    throw invalid(
      `${queues.length} statuses are handled and a topic takes ${topicFiltersMax - 1} beside the catch-all; merge some`,
    );
  }
  for (const { status, visibilitySeconds } of queues) {
    if (visibilitySeconds <= visibilitySecondsMax) continue;
    throw invalid(
      `a message of "${status}" would be hidden for ${visibilitySeconds} s and SQS takes ${visibilitySecondsMax}; set its timeoutSeconds to a sixth of that at most`,
    );
  }
  for (const { name, statuses, timeoutSeconds } of functions) {
    if (timeoutSeconds <= functionSecondsMax) continue;
    throw invalid(
      `the function ${name} (${statuses.join(", ")}) would need ${timeoutSeconds} s and Lambda gives ${functionSecondsMax}; set timeoutSeconds to ${functionSecondsMax - aroundHandlerSeconds} at most, or run the handlers in pods`,
    );
  }
}

function refuseConcurrency(workflow: AnyWorkflow): void {
  for (const status of handledStatuses(workflow)) {
    const { concurrency } = statusOf(workflow, status) as HandledStatus;
    if (concurrency === undefined) continue;
    if (concurrency >= concurrencyMin && concurrency <= concurrencyMax) continue;
    throw new CauceError(
      "setting_invalid",
      `workflow "${workflow.name}": the concurrency of "${status}" is ${concurrency} and AWS gives ${concurrencyMin} to ${concurrencyMax}; change it in the definition`,
    );
  }
}
