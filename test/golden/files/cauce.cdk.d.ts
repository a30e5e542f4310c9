import { Alarm } from "aws-cdk-lib/aws-cloudwatch";
import { Construct } from "constructs";
import { Function } from "aws-cdk-lib/aws-lambda";
import { Queue } from "aws-cdk-lib/aws-sqs";
import { Role } from "aws-cdk-lib/aws-iam";
import { Table } from "aws-cdk-lib/aws-dynamodb";
import { Topic } from "aws-cdk-lib/aws-sns";
import { z } from "zod";

// Exported:

export class Cauce extends Construct {
    readonly topology: Topology;
    readonly table: Table;
    readonly messaging: Messaging;
    readonly functions: ReadonlyMap<string, Lambda>;
    readonly pods: ReadonlyMap<PodRole, Role>;
    readonly alarms: readonly Alarm[];
    constructor(scope: Construct, id: string, props: CauceProps);
}

export interface CauceProps extends TopologyOptions {
    readonly app: App;
    readonly module: string;
    readonly access?: ApiKeys | undefined;
    readonly retentionDays?: number | undefined;
    readonly metrics?: boolean | undefined;
    readonly codeOf?: ((plan: FunctionPlan) => string) | undefined;
    readonly alarmTopicArn?: string | undefined;
    readonly throttle?: Throttle | undefined;
}

export interface Throttle {
    readonly ratePerSecond: number;
    readonly burst: number;
}

export { ApiKeys as Access };

// What these are made of:

interface Actor {
    readonly runtime: "node" | "lambda" | "pod";
    readonly name: string;
    readonly requestId: string | null;
    readonly messageId: string | null;
}

type AnyHandler = (order: Order, context: HandlerContext & Record<string, unknown>) => unknown;

type AnyWorkflow = Workflow<any, any, any>;

type ApiKeys = {
    readonly keys: string;
} | "public";

interface App<W extends AnyWorkflow = AnyWorkflow, Resources extends object = object> {
    readonly workflow: W;
    readonly handlers: Readonly<Record<string, AnyHandler | LazyHandler<AnyHandler>>>;
    readonly resources: (() => Promise<Resources> | Resources) | undefined;
    readonly release: ((resources: never) => Promise<void> | void) | undefined;
}

type Compute = "lambda" | "kubernetes";

type DeliveryMode = "standard" | "fifo";

type Duty = "serve" | "work" | "maintain";

interface FinalStatus {
    readonly final: true;
    readonly to?: never;
    readonly waits?: never;
    readonly timeoutSeconds?: never;
    readonly concurrency?: never;
    readonly retry?: never;
    readonly exhausted?: never;
    readonly expires?: never;
    readonly retired?: never;
}

interface FunctionPlan extends ProcessPlan {
    readonly role: FunctionRole;
}

type FunctionRole = "request" | "processing" | "sweep";

interface HandledStatus<Name extends string = string> {
    readonly to: readonly Name[];
    readonly timeoutSeconds?: number;
    readonly concurrency?: number;
    readonly retry?: RetryPolicy;
    readonly exhausted?: Name;
    readonly retired?: boolean;
    readonly waits?: never;
    readonly expires?: never;
    readonly final?: never;
}

interface HandlerContext {
    readonly signal: AbortSignal;
    readonly idempotencyKey: string;
    readonly attempt: number;
    readonly log: Log;
}

interface HistoryEntry {
    readonly status: string;
    readonly visit: number;
    readonly at: string;
    readonly attempts: number;
    readonly reason: string | null;
    readonly error: string | null;
    readonly by: Actor;
}

interface LazyHandler<H> {
    readonly lazy: () => Promise<{
        readonly default: H;
    }>;
}

interface Log {
    info(fields: Record<string, unknown>, message: string): void;
    warn(fields: Record<string, unknown>, message: string): void;
    error(fields: Record<string, unknown>, message: string): void;
}

interface MappingLimits {
    readonly batchSize: number;
    readonly concurrencyMost: number;
}

interface Messaging {
    readonly topic: Topic;
    readonly queues: ReadonlyMap<string, {
        readonly queue: Queue;
        readonly deadLetters: Queue;
    }>;
    readonly unrouted: Queue;
    queueOf(status: string): Queue;
}

interface Order<Data = unknown, Results = Record<string, unknown>, Status extends string = string> extends ShownExtras {
    readonly id: string;
    readonly workflow: string;
    readonly status: Status;
    readonly visit: number;
    readonly version: number;
    readonly attempts: number;
    readonly data: Data;
    readonly results: Results;
    readonly group: string | null;
    readonly createdAt: string;
    readonly updatedAt: string;
    readonly notBefore: string | null;
    readonly expiresAt: string | null;
    readonly failure: {
        code: string;
        message: string;
        fingerprint: string;
        at: string;
    } | null;
    readonly history: readonly HistoryEntry[];
    readonly historyOmitted: number;
}

interface PodPlan extends ProcessPlan {
    readonly role: PodRole;
}

type PodRole = "api" | "work" | "sweeper";

interface ProcessPlan {
    readonly name: string;
    readonly duty: Duty;
    readonly statuses: readonly string[];
    readonly publishes: boolean;
    readonly timeoutSeconds: number;
    readonly slots: number;
    readonly processesMax: number | undefined;
    readonly memoryMegabytes: number;
}

type Processors = "shared" | "per-status";

interface QueuePlan {
    readonly status: string;
    readonly name: string;
    readonly deadLetters: string;
    readonly visibilitySeconds: number;
    readonly receivesMost: number;
    readonly filter: {
        readonly status: readonly string[];
    };
}

interface RetryPolicy {
    readonly attempts?: number;
    readonly baseSeconds?: number;
    readonly maxSeconds?: number;
}

type ShownExtras = Readonly<Record<never, never>>;

interface SourcePlan extends MappingLimits {
    readonly status: string;
    readonly queue: string;
    readonly function: string;
}

type StatusDefinition<Name extends string = string> = HandledStatus<Name> | WaitingStatus<Name> | FinalStatus;

type Statuses<S> = {
    readonly [K in keyof S]: StatusDefinition<Extract<keyof S, string>> & {
        readonly [P in Exclude<keyof S[K], keyof HandledStatus>]: never;
    };
};

interface Topology {
    readonly workflow: string;
    readonly stage: string;
    readonly delivery: DeliveryMode;
    readonly processors: Processors;
    readonly compute: Compute;
    readonly table: string;
    readonly topic: string;
    readonly queues: readonly QueuePlan[];
    readonly unrouted: UnroutedPlan;
    readonly processes: readonly ProcessPlan[];
    readonly functions: readonly FunctionPlan[];
    readonly pods: readonly PodPlan[];
    readonly sources: readonly SourcePlan[];
    readonly sweepEverySeconds: number;
}

interface TopologyOptions {
    readonly stage?: string | undefined;
    readonly delivery?: DeliveryMode | undefined;
    readonly processors?: Processors | undefined;
    readonly compute?: Compute | undefined;
    readonly accountConcurrency?: number | undefined;
}

interface UnroutedPlan {
    readonly name: string;
    readonly filter: {
        readonly status: readonly [{
            readonly "anything-but": readonly string[];
        }];
    };
}

interface WaitingStatus<Name extends string = string> {
    readonly to: readonly Name[];
    readonly waits: true;
    readonly expires?: {
        readonly afterSeconds: number;
        readonly to: Name;
    };
    readonly retired?: boolean;
    readonly timeoutSeconds?: never;
    readonly concurrency?: never;
    readonly retry?: never;
    readonly exhausted?: never;
    readonly final?: never;
}

interface Workflow<S extends Statuses<S> = Record<string, StatusDefinition>, Data extends z.ZodType = z.ZodType, Results extends z.ZodType = z.ZodType> {
    readonly name: string;
    readonly data: Data;
    readonly results: Results | undefined;
    readonly group: ((data: z.output<Data>) => string | null | undefined) | undefined;
    readonly initial: Extract<keyof S, string>;
    readonly visitsMax: number;
    readonly statuses: S;
}

const final: FinalStatus;

function lazy<H>(load: () => Promise<{
    readonly default: H;
}>): LazyHandler<H>;
