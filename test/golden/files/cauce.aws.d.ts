import { Message } from "@aws-sdk/client-sqs";

// Exported:

export interface AwsBackend extends LocatedBackend {
    acceptFromEventSource(status: string, messages: readonly Message[]): Promise<Lease[]>;
    isPaused(status: string): Promise<boolean>;
    giveBack(delivery: Delivery): Promise<void>;
}

export interface AwsOptions {
    readonly stage?: string | undefined;
    readonly topicArn?: string | undefined;
    readonly queueUrl?: ((status: string) => string | undefined) | undefined;
    readonly shards?: number | undefined;
    readonly sweepSeconds?: number | undefined;
    readonly pollSeconds?: number | undefined;
    readonly onWarning?: ((fields: Record<string, unknown>, message: string) => void) | undefined;
}

export interface Lease extends Delivery {
    readonly receives: number;
    readonly notBefore: number | null;
    readonly groupId: string | null;
    readonly suspect: boolean;
    readonly deletedByEventSource: boolean;
    readonly receivedAt: number;
    readonly endsAt: number;
}

export interface ResourceNames {
    readonly table: string;
    readonly topic: string;
    queue(status: string): string;
}

export function aws(options?: AwsOptions): (factory: BackendFactoryOptions) => Promise<AwsBackend>;

export function resourceNames(workflow: string, stage: string, mode?: DeliveryMode): ResourceNames;

// What these are made of:

interface Actor {
    readonly runtime: "node" | "lambda" | "pod";
    readonly name: string;
    readonly requestId: string | null;
    readonly messageId: string | null;
}

interface Backend {
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

interface Clock {
    now(): number;
    monotonic(): number;
    at(atMilliseconds: number, callback: () => void): () => void;
    after(milliseconds: number, callback: () => void): () => void;
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

type DeliveryMode = "standard" | "fifo";

interface Depth {
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

interface FailureGroup {
    readonly status: string;
    readonly fingerprint: string;
    readonly message: string;
    readonly count: number;
    readonly firstAt: number;
    readonly lastAt: number;
}

interface Filter {
    readonly status?: string | undefined;
    readonly failed?: boolean | undefined;
    readonly fingerprint?: string | undefined;
    readonly group?: string | undefined;
    readonly ids?: readonly string[] | undefined;
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

interface LocatedBackend extends Backend {
    readonly delivery: DeliveryMode;
    readonly requeued?: number | null | undefined;
    readonly openToOthers?: string | undefined;
    where(id: string): Whereabouts;
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

type StatusKind = "handled" | "waiting" | "final";

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

interface Whereabouts {
    readonly store: "dynamodb" | "sqlite" | "memory";
    readonly file: string | null;
    readonly table: string | null;
    readonly key: Readonly<Record<string, string | number>>;
}
