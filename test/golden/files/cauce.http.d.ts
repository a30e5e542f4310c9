import { z } from "zod";

// Exported:

export interface CallOptions {
    readonly signal?: AbortSignal | undefined;
    readonly requestId?: string | undefined;
}

export interface Client<W extends AnyWorkflow> extends Orders<W> {
    orders(query?: OrdersQuery<W>, options?: CallOptions): AsyncIterable<OrderOf<W>>;
    waitFor(id: string, status: StatusName<W> | readonly StatusName<W>[], options?: WaitOptions): Promise<OrderOf<W>>;
}

export class ClientError extends CauceError {
    readonly status: number | undefined;
    constructor(code: ErrorCode, message: string, options?: {
        status?: number | undefined;
        faults?: readonly Fault[];
        cause?: unknown;
    });
}

export interface ClientOptions extends ConnectionOptions {
    readonly url: string;
}

export interface FailedFilter<W extends AnyWorkflow> {
    readonly status?: StatusName<W> | undefined;
    readonly fingerprint?: string | undefined;
    readonly ids?: readonly string[] | undefined;
    readonly limit?: number | undefined;
    readonly cursor?: string | undefined;
}

export interface Failures<W extends AnyWorkflow> {
    readonly status: StatusName<W>;
    readonly fingerprint: string;
    readonly message: string;
    readonly count: number;
    readonly firstAt: string;
    readonly lastAt: string;
}

export type InputOf<W extends AnyWorkflow> = z.input<W["data"]>;

export interface KeyedOptions extends CallOptions {
    readonly idempotencyKey?: string | undefined;
}

export type OrderOf<W extends AnyWorkflow> = Order<DataOf<W>, ResultsOf<W>, StatusName<W>>;

export interface Orders<W extends AnyWorkflow = AnyWorkflow> {
    place(data: InputOf<W>, options?: KeyedOptions): Promise<{
        placed: boolean;
        order: OrderOf<W>;
    }>;
    get(id: string, options?: CallOptions): Promise<OrderOf<W> | undefined>;
    list(query?: PageQuery<W>, options?: CallOptions): Promise<{
        items: readonly OrderOf<W>[];
        nextCursor: string | null;
    }>;
    transition(id: string, transition: Transition<W>, options?: KeyedOptions): Promise<OrderOf<W>>;
    retry(id: string, options?: CallOptions): Promise<OrderOf<W>>;
    stored(id: string, options?: CallOptions): Promise<Stored>;
    retryMany(filter?: FailedFilter<W>, options?: CallOptions): Promise<{
        retried: number;
        nextCursor: string | null;
    }>;
    failures(options?: CallOptions): Promise<readonly Failures<W>[]>;
    queues(options?: CallOptions): Promise<readonly Queue<StatusName<W>>[]>;
    pause(status: StatusName<W>, options?: CallOptions): Promise<Queue<StatusName<W>>>;
    resume(status: StatusName<W>, options?: CallOptions): Promise<Queue<StatusName<W>>>;
    remove(id: string, options?: CallOptions): Promise<void>;
    call(name: string, input?: unknown, options?: KeyedOptions): Promise<unknown>;
}

export interface OrdersQuery<W extends AnyWorkflow> {
    readonly status?: StatusName<W> | undefined;
    readonly failed?: boolean | undefined;
    readonly fingerprint?: string | undefined;
    readonly group?: string | undefined;
    readonly limit?: number | undefined;
}

export interface PageQuery<W extends AnyWorkflow> extends OrdersQuery<W> {
    readonly cursor?: string | undefined;
}

export interface Queue<Status extends string = string> {
    readonly status: Status;
    readonly kind: "handled" | "waiting";
    readonly waiting: number;
    readonly inFlight: number;
    readonly delayed: number;
    readonly failed: number;
    readonly oldestWaitingAt: string | null;
    readonly paused: boolean;
    readonly atLeast: boolean;
}

export interface Stored extends Whereabouts {
    readonly id: string;
    readonly version: number;
}

export interface Transition<W extends AnyWorkflow> {
    readonly to: StatusName<W>;
    readonly reason?: string | undefined;
    readonly results?: Partial<ResultsOf<W>> | undefined;
    readonly expectedVersion?: number | undefined;
}

export interface WaitOptions extends CallOptions {
    readonly timeoutSeconds?: number | undefined;
}

export type WorkflowOf<T> = T extends App<infer W> ? W : T extends AnyWorkflow ? T : never;

export function createClient<T extends AnyWorkflow | App<any> = AnyWorkflow>(options: ClientOptions): Client<WorkflowOf<T>>;

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

class CauceError extends Error {
    readonly code: ErrorCode;
    readonly faults: readonly Fault[] | undefined;
    constructor(code: ErrorCode, message: string, options?: {
        cause?: unknown;
        faults?: readonly Fault[];
    });
}

interface Clock {
    now(): number;
    monotonic(): number;
    at(atMilliseconds: number, callback: () => void): () => void;
    after(milliseconds: number, callback: () => void): () => void;
}

interface ConnectionOptions {
    readonly apiKey?: string | undefined;
    readonly fetch?: ((url: string, init: RequestInit) => Promise<Response>) | undefined;
    readonly retries?: number | undefined;
    readonly timeoutSeconds?: number | undefined;
    readonly clock?: Clock | undefined;
    readonly random?: Random | undefined;
}

type DataOf<W extends AnyWorkflow> = z.output<W["data"]>;

type ErrorCode = keyof typeof errorCodes;

interface Fault {
    readonly path: string;
    readonly message: string;
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

type Random = () => number;

type ResultsOf<W extends AnyWorkflow> = NonNullable<W["results"]> extends infer R ? R extends z.ZodType ? unknown extends z.output<R> ? Record<string, unknown> : z.output<R> : Record<string, unknown> : never;

interface RetryPolicy {
    readonly attempts?: number;
    readonly baseSeconds?: number;
    readonly maxSeconds?: number;
}

type ShownExtras = Readonly<Record<never, never>>;

type StatusDefinition<Name extends string = string> = HandledStatus<Name> | WaitingStatus<Name> | FinalStatus;

type StatusName<W extends AnyWorkflow> = Extract<keyof W["statuses"], string>;

type Statuses<S> = {
    readonly [K in keyof S]: StatusDefinition<Extract<keyof S, string>> & {
        readonly [P in Exclude<keyof S[K], keyof HandledStatus>]: never;
    };
};

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

interface Whereabouts {
    readonly store: "dynamodb" | "sqlite" | "memory";
    readonly file: string | null;
    readonly table: string | null;
    readonly key: Readonly<Record<string, string | number>>;
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

const errorCodes: {
    readonly workflow_invalid: "The workflow definition cannot work; the message names the status and the fix.";
    readonly app_invalid: "The handlers do not fit the workflow; the message names the status and the fix.";
    readonly schema_unsupported: "The schema has no JSON Schema (dates, transforms and the like), so it cannot be served.";
    readonly invalid_json: "The body is not JSON.";
    readonly invalid_data: "The data does not fit the workflow's schema.";
    readonly invalid_request: "A parameter, header or body field is not what the route takes.";
    readonly invalid_cursor: "The cursor is not one that a list returned.";
    readonly body_too_large: "The body is larger than the server takes.";
    readonly request_timed_out: "The body did not come within the time that the server allows.";
    readonly headers_too_large: "The path and headers are larger than the server takes.";
    readonly unsupported_media_type: "The body's type is none that the route takes, such as application/json, or it is compressed.";
    readonly idempotency_conflict: "The idempotency key was used before with other content.";
    readonly unauthorized: "No valid API key was sent.";
    readonly forbidden: "The API key's role does not allow this.";
    readonly route_not_found: "There is no such route.";
    readonly method_not_allowed: "The route does not take this method.";
    readonly workflow_not_found: "No workflow of that name is served here.";
    readonly order_not_found: "No order has that id.";
    readonly status_not_found: "The workflow has no such status.";
    readonly status_not_handled: "The status has no handler, so there is nothing to pause.";
    readonly overloaded: "More orders come in than this process can process; nothing was stored.";
    readonly too_many_readers: "As many readers of events are connected as the server has room for.";
    readonly not_available_here: "The platform that serves this cannot answer the route.";
    readonly transition_not_allowed: "The order may not move to that status from where it stands.";
    readonly being_handled: "The order is in a handled status and its handler will move it.";
    readonly stale: "The order changed in the meantime; read it again.";
    readonly order_not_final: "Only orders in a final status are removed.";
    readonly not_failed: "Only failed orders can be retried.";
    readonly invalid_results: "The results do not fit the workflow's results schema.";
    readonly invalid_transition: "A handler returned a status that its status does not list in `to`.";
    readonly handler_failed: "The handler threw.";
    readonly attempt_timed_out: "The handler did not end within `timeoutSeconds`.";
    readonly worker_lost: "The process that ran the handler ended before the handler did.";
    readonly unknown_status: "The order stands in a status that the definition does not know.";
    readonly visits_exceeded: "The order made more transitions than `visitsMax` allows.";
    readonly limit_exceeded: "The backend cannot hold what was asked of it; the message names the limit.";
    readonly store_full: "The disk that holds the data is full.";
    readonly store_unavailable: "The store did not take the write; nothing was acknowledged.";
    readonly store_unreadable: "The data directory or its file cannot be opened or written.";
    readonly store_corrupt: "The database file is damaged or is no database.";
    readonly store_too_new: "The database was written by a newer version of Cauce.";
    readonly store_mismatch: "The database belongs to another workflow.";
    readonly store_denied: "The store's service does not allow it: credentials or permissions are missing.";
    readonly store_missing: "A table, topic or queue of the store is not there.";
    readonly data_in_use: "Another process owns the data directory.";
    readonly orders_stranded: "The definition no longer knows statuses in which orders stand.";
    readonly closed: "Cauce is closing and takes nothing more.";
    readonly resources_failed: "The app's `resources` threw; the message names the workflow and says why.";
    readonly node_too_old: "The Node.js that runs is older than Cauce needs.";
    readonly app_not_loadable: "The module of the app cannot be loaded or exports no app.";
    readonly setting_invalid: "A flag or variable is unknown, or lacks a value that it takes.";
    readonly directory_not_empty: "The directory that a workflow is to be written into holds files.";
    readonly directory_unusable: "The directory that a workflow is to be written into cannot be made, read or written.";
    readonly package_not_packed: "Cauce's own package could not be built or packed; the message says why.";
    readonly keys_required: "A server that others can reach needs API keys.";
    readonly keys_invalid: "The API keys cannot be read.";
    readonly template_invalid: "The template does not hold together, or holds what the emulator does not know.";
    readonly port_in_use: "The port is taken.";
    readonly address_unavailable: "The address cannot be bound on this machine.";
    readonly package_missing: "A package that the command needs is not installed; the message names it.";
    readonly bundle_failed: "A function's code cannot be bundled; the message names the file.";
    readonly stack_invalid: "The template breaks a rule of security or of CloudFormation; the message names it.";
    readonly queue_in_use: "The deployment would delete a queue that still holds messages.";
    readonly deploy_failed: "The CDK's command line could not deploy; what it said stands above.";
    readonly unreachable: "The server gave no answer, or what stands before it cannot reach it.";
    readonly unexpected_answer: "The answer is not one of Cauce's; the URL leads to something else.";
    readonly wait_timed_out: "The order did not come to the awaited status in time.";
    readonly order_failed: "The order failed before it came to the awaited status.";
    readonly order_ended: "The order came to a final status other than the awaited one.";
    readonly proof_missing: "A proof that a deployment handles orders is missing; the message names it and says why.";
    readonly not_at_rest: "A test waits for a handler that does not end, and no time passes that would end it.";
    readonly import_refused: "Some lines of the import were refused; a file has each with its problem.";
    readonly import_unreadable: "The file to import, its progress or its refused lines cannot be read or written.";
    readonly import_mismatch: "The file or its import is not the one of which the progress tells.";
    readonly interrupted: "The command was told to stop before it was done.";
    readonly internal_error: "Something unexpected happened; the log says what.";
};

const final: FinalStatus;

function lazy<H>(load: () => Promise<{
    readonly default: H;
}>): LazyHandler<H>;
