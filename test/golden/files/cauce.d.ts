import * as z from "zod";
import { z } from "zod";

// Exported:

export type AnyWorkflow = Workflow<any, any, any>;

export interface App<W extends AnyWorkflow = AnyWorkflow, Resources extends object = object> {
    readonly workflow: W;
    readonly handlers: Readonly<Record<string, AnyHandler | LazyHandler<AnyHandler>>>;
    readonly resources: (() => Promise<Resources> | Resources) | undefined;
    readonly release: ((resources: never) => Promise<void> | void) | undefined;
}

export interface Auth {
    readonly keys: readonly StoredKey[];
}

export interface Backend {
    readonly limits: Limits;
    place(order: NewOrder): Promise<Placed>;
    get(id: string): Promise<StoredOrder | undefined>;
    list(query: ListQuery): Promise<OrderPage>;
    commit(change: Change, delivery?: Delivery): Promise<"committed" | "stale">;
    receive(options: ReceiveOptions): Promise<Delivery[]>;
    settle(delivery: Delivery, verdict: Verdict): Promise<void>;
    sweep(query: {
        limit: number;
        cursor?: string | undefined;
    }): Promise<Swept>;
    counts(asked: {
        readonly depths?: boolean;
        readonly failures?: boolean;
    }): Promise<Counts>;
    keep(note: Note): Promise<void>;
    remove(which: {
        readonly id: string;
    } | OldOrders): Promise<Removal | "not_final">;
    close(): Promise<void>;
}

export type BackendFactory = (options: BackendFactoryOptions) => LocatedBackend | Promise<LocatedBackend>;

export interface CallOptions {
    readonly signal?: AbortSignal | undefined;
    readonly requestId?: string | undefined;
}

export interface Cauce {
    fetch(request: Request, env?: object): Response | Promise<Response>;
    workflow<T extends AnyWorkflow | App<any> = AnyWorkflow>(which: T | string): Orders<WorkflowOf<T>>;
    place(workflow: string, data: unknown, options?: KeyedOptions): Promise<{
        placed: boolean;
        order: Order;
    }>;
    get(workflow: string, id: string): Promise<Order | undefined>;
    list(workflow: string, query?: PageQuery<AnyWorkflow>): Promise<{
        items: Order[];
        nextCursor: string | null;
    }>;
    transition(workflow: string, id: string, request: Transition<AnyWorkflow>, options?: KeyedOptions): Promise<Order>;
    retry(workflow: string, id: string, options?: CallOptions): Promise<Order>;
    retryMany(workflow: string, filter: FailedFilter<AnyWorkflow>): Promise<{
        retried: number;
        nextCursor: string | null;
    }>;
    remove(workflow: string, id: string, options?: CallOptions): Promise<void>;
    failures(workflow: string): Promise<FailureGroup[]>;
    queues(workflow: string): Promise<Depth[]>;
    pause(workflow: string, status: string): Promise<Depth>;
    resume(workflow: string, status: string): Promise<Depth>;
    start(options?: StartOptions): Promise<void>;
    drain(): Promise<void>;
    takeRejection(reason: unknown): boolean;
    close(): Promise<void>;
}

export class CauceError extends Error {
    readonly code: ErrorCode;
    readonly faults: readonly Fault[] | undefined;
    constructor(code: ErrorCode, message: string, options?: {
        cause?: unknown;
        faults?: readonly Fault[];
    });
}

export interface CauceOptions {
    readonly apps: App | readonly App[];
    readonly backend: BackendFactory;
    readonly delivery?: DeliveryMode | undefined;
    readonly auth?: Auth | undefined;
    readonly basePath?: string | undefined;
    readonly bodyBytesMax?: number | undefined;
    readonly clock?: Clock | undefined;
    readonly random?: Random | undefined;
    readonly log?: (Log & {
        dropped?(): number;
    }) | undefined;
    readonly actor?: Pick<Actor, "runtime" | "name"> | undefined;
    readonly unknownStatuses?: "refuse" | "fail" | undefined;
    readonly retentionDays?: number | undefined;
    readonly startSeconds?: number | undefined;
}

export interface Clock {
    now(): number;
    monotonic(): number;
    at(atMilliseconds: number, callback: () => void): () => void;
    after(milliseconds: number, callback: () => void): () => void;
}

export type DataOf<W extends AnyWorkflow> = z.output<W["data"]>;

export type DeliveryMode = "standard" | "fifo";

export interface Depth {
    readonly status: string;
    readonly kind: "handled" | "waiting";
    readonly waiting: number;
    readonly inFlight: number;
    readonly delayed: number;
    readonly failed: number;
    readonly oldestWaitingAt: number | null;
    readonly paused: boolean;
    readonly atLeast: boolean;
}

export type ErrorCode = keyof typeof errorCodes;

export interface FailedFilter<W extends AnyWorkflow> {
    readonly status?: StatusName<W> | undefined;
    readonly fingerprint?: string | undefined;
    readonly ids?: readonly string[] | undefined;
    readonly limit?: number | undefined;
    readonly cursor?: string | undefined;
}

export interface FailureGroup {
    readonly status: string;
    readonly fingerprint: string;
    readonly message: string;
    readonly count: number;
    readonly firstAt: number;
    readonly lastAt: number;
}

export interface Failures<W extends AnyWorkflow> {
    readonly status: StatusName<W>;
    readonly fingerprint: string;
    readonly message: string;
    readonly count: number;
    readonly firstAt: string;
    readonly lastAt: string;
}

export interface Fault {
    readonly path: string;
    readonly message: string;
}

export type Handler<W extends AnyWorkflow, K extends HandledName<W>, Resources> = (order: Order<DataOf<W>, ResultsOf<W>, K>, context: HandlerContext & Resources) => Promise<Next<NextName<W, K>, ResultsOf<W>>> | Next<NextName<W, K>, ResultsOf<W>>;

export interface HandlerContext {
    readonly signal: AbortSignal;
    readonly idempotencyKey: string;
    readonly attempt: number;
    readonly log: Log;
}

export interface HistoryEntry {
    readonly status: string;
    readonly visit: number;
    readonly at: string;
    readonly attempts: number;
    readonly reason: string | null;
    readonly error: string | null;
    readonly by: Actor;
}

export type InputOf<W extends AnyWorkflow> = z.input<W["data"]>;

export interface KeyedOptions extends CallOptions {
    readonly idempotencyKey?: string | undefined;
}

export interface LocatedBackend extends Backend {
    readonly delivery: DeliveryMode;
    readonly requeued?: number | null | undefined;
    readonly openToOthers?: string | undefined;
    where(id: string): Whereabouts;
}

export interface Log {
    info(fields: Record<string, unknown>, message: string): void;
    warn(fields: Record<string, unknown>, message: string): void;
    error(fields: Record<string, unknown>, message: string): void;
}

export interface Order<Data = unknown, Results = Record<string, unknown>, Status extends string = string> extends ShownExtras {
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

export class PermanentError extends Error {
    constructor(message: string, options?: ErrorOptions);
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

export type Random = () => number;

export type ResultsOf<W extends AnyWorkflow> = NonNullable<W["results"]> extends infer R ? R extends z.ZodType ? unknown extends z.output<R> ? Record<string, unknown> : z.output<R> : Record<string, unknown> : never;

export class RetryError extends Error {
    readonly delaySeconds: number;
    constructor(options: {
        delaySeconds: number;
        message?: string;
        cause?: unknown;
    });
}

export interface RetryPolicy {
    readonly attempts?: number;
    readonly baseSeconds?: number;
    readonly maxSeconds?: number;
}

export interface StartOptions {
    readonly statuses?: readonly string[] | undefined;
    readonly sweeps?: boolean | undefined;
}

export type StatusName<W extends AnyWorkflow> = Extract<keyof W["statuses"], string>;

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

export interface Workflow<S extends Statuses<S> = Record<string, StatusDefinition>, Data extends z.ZodType = z.ZodType, Results extends z.ZodType = z.ZodType> {
    readonly name: string;
    readonly data: Data;
    readonly results: Results | undefined;
    readonly group: ((data: z.output<Data>) => string | null | undefined) | undefined;
    readonly initial: Extract<keyof S, string>;
    readonly visitsMax: number;
    readonly statuses: S;
}

export type WorkflowOf<T> = T extends App<infer W> ? W : T extends AnyWorkflow ? T : never;

export function createCauce(options: CauceOptions): Promise<Cauce>;

export const defaultRetry: {
    readonly attempts: 5;
    readonly baseSeconds: 1;
    readonly maxSeconds: 300;
};

export function defineWorkflow<const S extends Statuses<S>, Data extends z.ZodType, Results extends z.ZodType = z.ZodType<Record<string, unknown>>>(options: WorkflowOptions<S, Data, Results>): Workflow<S, Data, Results>;

export const errorCodes: {
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
    readonly order_unreadable: "The order's row or item cannot be read.";
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
    readonly store_log_foreign: "A log beside the database belongs to another file; the message names the fix.";
    readonly store_denied: "The store's service does not allow it: credentials or permissions are missing.";
    readonly store_missing: "A table, topic or queue of the store is not there.";
    readonly data_in_use: "Another process owns the data directory.";
    readonly orders_stranded: "The definition no longer knows statuses in which orders stand.";
    readonly closed: "Cauce is closing and takes nothing more.";
    readonly waits_for_itself: "The call would wait for the code of the app that made it: a handler, `resources` or `release`.";
    readonly resources_failed: "The app's `resources` threw, or did not open within `startSeconds`; the message names the workflow and says why.";
    readonly writer_missing: "The module of the store's writing thread is missing, as in a bundle.";
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

export const final: FinalStatus;

export function implement<W extends AnyWorkflow, Resources extends object = Record<never, never>>(workflow: W, options: ImplementOptions<W, Resources>): App<NoInfer<W>, NoInfer<Resources>>;

export function lazy<H>(load: () => Promise<{
    readonly default: H;
}>): LazyHandler<H>;

export function systemClock(): Clock;

// What these are made of:

interface Actor {
    readonly runtime: "node" | "lambda" | "pod";
    readonly name: string;
    readonly requestId: string | null;
    readonly messageId: string | null;
}

type AnyHandler = (order: Order, context: HandlerContext & Record<string, unknown>) => unknown;

interface BackendFactoryOptions {
    readonly workflow: string;
    readonly delivery?: DeliveryMode | undefined;
    readonly clock: Clock;
    readonly onBatch?: ((operations: number, milliseconds: number) => void) | undefined;
    readonly onOpening?: ((step: string, seconds: number) => void) | undefined;
    readonly leaseSeconds?: Readonly<Record<string, number>> | undefined;
}

interface Change {
    readonly before: StoredOrder;
    readonly after: StoredOrder;
    readonly ended: Visit | null;
    readonly delivery: "enter" | "again" | "keep" | "end";
}

interface Counts {
    readonly depths: Depth[];
    readonly failures: FailureGroup[];
}

interface Delivery {
    readonly orderId: string;
    readonly status: string;
    readonly visit: number;
    readonly receipt: string;
    readonly redelivered: boolean;
    readonly unattended?: boolean | undefined;
    readonly messageId: string | null;
}

interface Entry {
    readonly at: number;
    readonly reason: string | null;
    readonly error: string | null;
    readonly by: Actor;
    readonly key?: string;
}

interface Failure {
    readonly code: string;
    readonly message: string;
    readonly fingerprint: string;
    readonly at: number;
}

interface Filter {
    readonly status?: string | undefined;
    readonly failed?: boolean | undefined;
    readonly fingerprint?: string | undefined;
    readonly group?: string | undefined;
    readonly ids?: readonly string[] | undefined;
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

type HandledName<W extends AnyWorkflow> = {
    [K in StatusName<W>]: W["statuses"][K] extends FinalStatus | WaitingStatus | {
        waits: true;
    } | {
        final: true;
    } ? never : K;
}[StatusName<W>];

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

type Handlers<W extends AnyWorkflow, Resources> = {
    readonly [K in HandledName<W>]: Handler<W, K, Resources> | LazyHandler<Handler<W, K, Resources>>;
};

interface ImplementOptions<W extends AnyWorkflow, Resources extends object> {
    readonly resources?: () => Promise<Resources> | Resources;
    readonly release?: (resources: NoInfer<Resources>) => Promise<void> | void;
    readonly handlers: Handlers<NoInfer<W>, NoInfer<Resources>>;
}

interface LazyHandler<H> {
    readonly lazy: () => Promise<{
        readonly default: H;
    }>;
}

interface Limits {
    readonly longestDelaySeconds: number;
    readonly dataBytesMax: number;
    readonly groupBytesMax: number;
    readonly sweepSeconds: number;
    readonly timingSeconds: number;
    readonly longestWaitSeconds: number;
    readonly concurrency: {
        readonly least: number;
        readonly most: number;
        readonly default: number;
    };
}

interface ListQuery extends Omit<Filter, "ids"> {
    readonly limit: number;
    readonly cursor?: string | undefined;
}

interface NewOrder {
    readonly status: string;
    readonly kind: StatusKind;
    readonly dataJson: string;
    readonly group: string | null;
    readonly createdAt: number;
    readonly expiresAt: number | null;
    readonly by: Actor;
    readonly extrasJson: string | null;
    readonly key: {
        readonly keyHash: string;
        readonly contentHash: string;
    } | null;
}

type Next<To extends string, Results> = To | {
    readonly to: To;
    readonly results?: Partial<Results>;
};

type NextName<W extends AnyWorkflow, K extends StatusName<W>> = W["statuses"][K] extends {
    to: readonly (infer To extends string)[];
} ? To : never;

type Note = 
{
    readonly is: "paused";
    readonly status: string;
    readonly paused: boolean;
}
 | {
    readonly is: "probe";
};

interface OldOrders {
    readonly before: number;
    readonly limit: number;
    readonly cursor?: string | undefined;
}

interface OrderPage {
    readonly items: readonly StoredOrder[];
    readonly nextCursor: string | null;
}

type Placed = {
    readonly outcome: "placed";
    readonly order: StoredOrder;
}
 | {
    readonly outcome: "repeated";
    readonly order: StoredOrder;
}
 | {
    readonly outcome: "conflict";
    readonly orderId: string;
};

interface ReceiveOptions {
    readonly status: string;
    readonly max: number;
    readonly leaseSeconds: number;
    readonly waitSeconds: number;
    readonly signal?: AbortSignal | undefined;
}

interface Removal {
    readonly removed: number;
    readonly nextCursor: string | null;
}

type Role = (typeof roles)[number];

type ShownExtras = Readonly<Record<never, never>>;

type StatusDefinition<Name extends string = string> = HandledStatus<Name> | WaitingStatus<Name> | FinalStatus;

type StatusKind = "handled" | "waiting" | "final";

type Statuses<S> = {
    readonly [K in keyof S]: StatusDefinition<Extract<keyof S, string>> & {
        readonly [P in Exclude<keyof S[K], keyof HandledStatus>]: never;
    };
};

interface StoredKey {
    readonly name: string;
    readonly role: Role;
    readonly sha256: string;
}

interface StoredOrder {
    readonly id: string;
    readonly status: string;
    readonly kind: StatusKind;
    readonly visit: number;
    readonly version: number;
    readonly attempts: number;
    readonly attempting: boolean;
    readonly dataJson: string;
    readonly resultsJson: string;
    readonly group: string | null;
    readonly createdAt: number;
    readonly updatedAt: number;
    readonly notBefore: number | null;
    readonly expiresAt: number | null;
    readonly failure: Failure | null;
    readonly entry: Entry;
    readonly past: readonly Visit[];
    readonly pastOmitted: number;
    readonly extrasJson: string | null;
    readonly unreadable?: string;
}

interface Swept {
    readonly expired: readonly StoredOrder[];
    readonly redelivered: number;
    readonly failed: readonly unknown[];
    readonly nextCursor: string | null;
    readonly nextAt: number | null;
}

type Verdict = {
    readonly verdict: "done";
} | {
    readonly verdict: "again";
    readonly notBefore: number;
}
 | {
    readonly verdict: "superseded";
    readonly by: StoredOrder;
};

interface Visit extends Entry {
    readonly status: string;
    readonly visit: number;
    readonly attempts: number;
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

interface Whereabouts {
    readonly store: "dynamodb" | "sqlite" | "memory";
    readonly file: string | null;
    readonly table: string | null;
    readonly key: Readonly<Record<string, string | number>>;
}

interface WorkflowOptions<S extends Statuses<S>, Data extends z.ZodType, Results extends z.ZodType> {
    readonly name: string;
    readonly data: Data;
    readonly results?: Results;
    readonly group?: (data: z.output<NoInfer<Data>>) => string | null | undefined;
    readonly initial: Extract<keyof NoInfer<S>, string>;
    readonly visitsMax?: number;
    readonly statuses: S;
}

const roles: readonly ["intake", "read", "operate"];
