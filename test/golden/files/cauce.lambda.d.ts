import { z } from "zod";

// Exported:

export interface HttpAnswer {
    readonly statusCode: number;
    readonly headers: Readonly<Record<string, string>>;
    readonly body: string;
    readonly isBase64Encoded: boolean;
}

export interface HttpEvent {
    readonly rawPath: string;
    readonly rawQueryString: string;
    readonly headers: Readonly<Record<string, string | undefined>>;
    readonly body?: string | undefined;
    readonly isBase64Encoded: boolean;
    readonly requestContext: {
        readonly domainName: string;
        readonly requestId: string;
        readonly http: {
            readonly method: string;
        };
    };
}

export interface Invocation {
    readonly awsRequestId: string;
    getRemainingTimeInMillis(): number;
}

export interface SqsAnswer {
    readonly batchItemFailures: readonly {
        readonly itemIdentifier: string;
    }[];
}

export interface SqsEvent {
    readonly Records: readonly SqsRecord[];
}

export interface SqsRecord {
    readonly messageId: string;
    readonly receiptHandle: string;
    readonly body: string;
    readonly attributes: {
        readonly ApproximateReceiveCount: string;
        readonly MessageGroupId?: string;
    };
    readonly eventSourceARN: string;
}

export function processingHandler(apps: App | readonly App[]): (event: SqsEvent, invocation: Invocation) => Promise<SqsAnswer>;

export function requestHandler(apps: App | readonly App[]): (event: HttpEvent) => Promise<HttpAnswer>;

export function sweepHandler(apps: App | readonly App[]): (event: unknown, invocation: Invocation) => Promise<Swept>;

// What these are made of:

interface Actor {
    readonly runtime: "node" | "lambda" | "pod";
    readonly name: string;
    readonly requestId: string | null;
    readonly messageId: string | null;
}

type AnyHandler = (order: Order, context: HandlerContext & Record<string, unknown>) => unknown;

type AnyWorkflow = Workflow<any, any, any>;

interface App<W extends AnyWorkflow = AnyWorkflow, Resources extends object = object> {
    readonly workflow: W;
    readonly handlers: Readonly<Record<string, AnyHandler | LazyHandler<AnyHandler>>>;
    readonly resources: (() => Promise<Resources> | Resources) | undefined;
    readonly release: ((resources: never) => Promise<void> | void) | undefined;
}

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

interface RetryPolicy {
    readonly attempts?: number;
    readonly baseSeconds?: number;
    readonly maxSeconds?: number;
}

type ShownExtras = Readonly<Record<never, never>>;

type StatusDefinition<Name extends string = string> = HandledStatus<Name> | WaitingStatus<Name> | FinalStatus;

type Statuses<S> = {
    readonly [K in keyof S]: StatusDefinition<Extract<keyof S, string>> & {
        readonly [P in Exclude<keyof S[K], keyof HandledStatus>]: never;
    };
};

interface Swept {
    readonly swept: number;
    readonly removed?: number;
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
