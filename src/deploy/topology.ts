import { resourceNames } from "../backend/aws/names.ts";
import {
  concurrencyDefault,
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
  handledStatus,
  handledStatuses,
  leaseSecondsOf,
  retryOf,
  statusesOf,
  timeoutSecondsOf,
} from "../core/workflow.ts";
import type { Duty } from "../node/settings.ts";
import { type MappingLimits, mappingLimits, type SourcePlan } from "./eventSourceMappings.ts";

/** How a workflow is laid out on AWS. */
export interface TopologyOptions {
  /** Part of every resource's name: `orders-table-dev`. Default `dev`. */
  readonly stage?: string | undefined;
  /** Default `standard`. */
  readonly delivery?: DeliveryMode | undefined;
  /** One processing function for all statuses, or one for each. Default `shared`. */
  readonly processors?: Processors | undefined;
  /** What runs the handlers: functions, or pods that assume the roles made for them. Default `lambda`. */
  readonly compute?: Compute | undefined;
  /** How many functions the account runs at once in the Region. Default 1,000, AWS's own; new accounts start lower. */
  readonly accountConcurrency?: number | undefined;
}

type Processors = "shared" | "per-status";
type Compute = "lambda" | "kubernetes";

/** Everything that one workflow needs in one stage, as plain data. It is rendered, compared and emulated. */
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
  /** Takes the messages of unknown statuses, so that a gap in the filters is seen. */
  readonly unrouted: UnroutedPlan;
  /** What runs the workflow, in functions or in pods. */
  readonly processes: readonly ProcessPlan[];
  /** Empty if pods run the handlers. */
  readonly functions: readonly FunctionPlan[];
  /** One for each role that pods assume. Empty if functions run the handlers. */
  readonly pods: readonly PodPlan[];
  readonly sources: readonly SourcePlan[];
  readonly sweepEverySeconds: number;
}

interface QueuePlan {
  readonly status: string;
  readonly name: string;
  readonly deadLetters: string;
  /** How long a received message stays hidden, in seconds. */
  readonly visibilitySeconds: number;
  /** How many receives a message may have before it goes to the dead letters. */
  readonly receivesMost: number;
  readonly filter: { readonly status: readonly string[] };
}

interface UnroutedPlan {
  readonly name: string;
  readonly filter: { readonly status: readonly [{ readonly "anything-but": readonly string[] }] };
}

/**
 * A kind of process of a deployment. The functions, their event source mappings and the roles of pods follow from these
 * plans.
 */
interface ProcessPlan {
  readonly name: string;
  /** To serve the API, to work on orders, or to maintain the store: sweep it and remove old orders. */
  readonly duty: Duty;
  /** The statuses whose handlers the process runs. Empty for a duty other than `work`. */
  readonly statuses: readonly string[];
  /** Whether the process may bring an order into a handled status, and so publishes its message. */
  readonly publishes: boolean;
  /** How long one request, attempt or sweep may take, with the reads and commits around it. */
  readonly timeoutSeconds: number;
  /** How many handlers one process runs at once. */
  readonly slots: number;
  /** How many of these processes run at once, at most. Undefined if the workflow sets no limit. */
  readonly processesMax: number | undefined;
  readonly memoryMegabytes: number;
}

/** What a pod runs: `cauce start --role api`, `cauce start --role work`, `cauce sweep`. */
export type PodRole = "api" | "work" | "sweeper";

export interface PodPlan extends ProcessPlan {
  readonly role: PodRole;
}

export type FunctionRole = "request" | "processing" | "sweep";

export interface FunctionPlan extends ProcessPlan {
  readonly role: FunctionRole;
}

const podRoles: Readonly<Record<Duty, PodRole>> = { serve: "api", work: "work", maintain: "sweeper" };
const functionRoles: Readonly<Record<Duty, FunctionRole>> = {
  serve: "request",
  work: "processing",
  maintain: "sweep",
};

/** The part of a function's time for its first read and its last commit, each 10 s at most (law 1). */
const aroundHandlerSeconds = 20;
const sweepEverySeconds = 60;
/** The file of a function's bundle, which its `Handler` names: `index.handler`. */
export const bundleFile = "index.mjs";
/** Receives on top of the attempts, since a throttled function uses up receives that no handler saw. */
const receivesSpare = 50;
const lengthsMax = { queue: queueNameLengthMax, function: functionNameLengthMax };

/** Plans a workflow on AWS. Throws `setting_invalid` for a name, a queue or a function that AWS would not take. */
export function topologyOf(workflow: AnyWorkflow, options: TopologyOptions = {}): Topology {
  const { stage = "dev", delivery = "standard", processors = "shared", compute = "lambda" } = options;
  const names = resourceNames(workflow.name, stage, delivery);
  const suffix = delivery === "fifo" ? ".fifo" : "";
  const named = (what: string) => `${workflow.name}-${what}-${stage}`;
  const statuses = handledStatuses(workflow);
  const isLambda = compute === "lambda";
  const limits = isLambda ? mappingLimits(workflow, options.accountConcurrency) : undefined;
  const groups = isLambda && processors === "per-status" ? statuses.map((status) => [status]) : [statuses];
  const processes = processesOf(workflow, groups, limits, (duty, [status]) => {
    if (!isLambda) return named(podRoles[duty]);
    return named(processors === "shared" || status === undefined ? functionRoles[duty] : `processing-${status}`);
  });
  const workerOf = (status: string) => processes.find((each) => each.statuses.includes(status)) as ProcessPlan;

  const topology: Topology = {
    ...{ workflow: workflow.name, stage, delivery, processors, compute },
    table: names.table,
    topic: names.topic,
    queues: statuses.map((status): QueuePlan => {
      const definition = handledStatus(workflow, status);
      return {
        status,
        name: names.queue(status),
        deadLetters: `${named(`${status}-dead`)}${suffix}`,
        // A queue that invokes a function hides a message for as long as the function may run. AWS advises six times
        // that, for batches that wait for room. But a message that comes back early runs a handler twice at worst, and
        // one of the two commits, while the messages of a killed function would stay hidden six times as long.
        visibilitySeconds: Math.max(leaseSecondsOf(definition), isLambda ? workerOf(status).timeoutSeconds : 0),
        receivesMost: receivesMaxOf(definition, delivery),
        filter: { status: [status] },
      };
    }),
    unrouted: { name: `${named("unrouted")}${suffix}`, filter: { status: [{ "anything-but": statuses }] } },
    processes,
    functions: isLambda ? processes.map((each) => ({ ...each, role: functionRoles[each.duty] })) : [],
    pods: isLambda ? [] : processes.map((each) => ({ ...each, role: podRoles[each.duty] })),
    sources: [...(limits ?? [])].map(([status, own]) => ({
      ...{ status, queue: names.queue(status), function: workerOf(status).name },
      ...own,
    })),
    sweepEverySeconds,
  };
  refuse(workflow, topology);
  return topology;
}

/**
 * Plans the processes of a workflow: one for each duty, and for the duty `work` one for each group of statuses. `limits`
 * are those of functions. Without them, one process runs all the handlers that `concurrency` allows.
 */
function processesOf(
  workflow: AnyWorkflow,
  groups: readonly (readonly string[])[],
  limits: ReadonlyMap<string, MappingLimits> | undefined,
  nameOf: (duty: Duty, statuses: readonly string[]) => string,
): ProcessPlan[] {
  const isHandled = (status: string | undefined) => status !== undefined && handledStatuses(workflow).includes(status);
  const process = (duty: Duty, statuses: readonly string[] = []) => ({
    ...{ name: nameOf(duty, statuses), duty, statuses, slots: 0, processesMax: undefined, memoryMegabytes: 256 },
  });
  return [
    { ...process("serve"), publishes: true, timeoutSeconds: httpApiSecondsMax },
    ...groups.map((statuses) => {
      const own = statuses.map((status) => handledStatus(workflow, status));
      // An invocation takes a batch of one queue, and the mapping of each of its queues invokes the function.
      const mappings = limits && statuses.flatMap((status) => limits.get(status) ?? []);
      return {
        ...process("work", statuses),
        publishes: own.some(({ to, exhausted }) => [...to, exhausted].some(isHandled)),
        timeoutSeconds: Math.max(...own.map(timeoutSecondsOf)) + aroundHandlerSeconds,
        slots: mappings
          ? Math.max(...mappings.map(({ batchSize }) => batchSize))
          : sumOf(own.map(({ concurrency = concurrencyDefault }) => concurrency)),
        processesMax: mappings ? sumOf(mappings.map(({ concurrencyMost }) => concurrencyMost)) : 1,
      };
    }),
    {
      ...process("maintain"),
      publishes: statusesOf(workflow).some(([, { expires }]) => isHandled(expires?.to)),
      timeoutSeconds: functionSecondsMax,
      processesMax: 1,
    },
  ];
}

const sumOf = (numbers: readonly number[]) => numbers.reduce((sum, number) => sum + number, 0);

/**
 * Limits the receives of a message. The order counts its attempts, not the queue, so a message that is received too
 * often is one whose function dies or is throttled. In FIFO each attempt is a receive of the same message, and so is each
 * time that the message is put back behind another of its group.
 */
function receivesMaxOf(status: HandledStatus, delivery: DeliveryMode): number {
  if (delivery === "fifo") return receivesMax;
  return Math.min(receivesMax, retryOf(status).attempts + 1 + receivesSpare);
}

function refuse(workflow: AnyWorkflow, { stage, queues, unrouted, functions }: Topology): void {
  const invalid = (what: string) => new CauceError("setting_invalid", `workflow "${workflow.name}": ${what}`);
  if (!/^[a-z0-9]+$/.test(stage)) throw invalid(`the stage is "${stage}"; it must be lower-case letters and digits`);
  const names = [...queues.flatMap(({ name, deadLetters }) => [name, deadLetters]), unrouted.name];
  const twice = names.find((name, n) => names.indexOf(name) !== n);
  if (twice !== undefined) throw invalid(`two queues would be called ${twice}; give one of the statuses another name`);
  for (const [kind, each] of [
    ...names.map((name) => ["queue", name] as const),
    ...functions.map(({ name }) => ["function", name] as const),
  ]) {
    if (each.length <= lengthsMax[kind]) continue;
    throw invalid(
      `the ${kind} ${each} has ${each.length} characters and AWS takes ${lengthsMax[kind]}; shorten the names of workflow, status or stage`,
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
  for (const { status } of queues) {
    const { concurrency = concurrencyMin } = handledStatus(workflow, status);
    if (concurrency >= concurrencyMin && concurrency <= concurrencyMax) continue;
    throw invalid(
      `the concurrency of "${status}" is ${concurrency} and AWS gives ${concurrencyMin} to ${concurrencyMax}; change it in the definition`,
    );
  }
}
