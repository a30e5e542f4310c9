import type { z } from "zod";
import { defaultRetry, type Fault, type RetryPolicy } from "./errors.ts";
import { isMarked, workflowMark } from "./marks.ts";
import type { StatusKind } from "./order.ts";

/** The names that workflows and statuses may have. */
export const namePattern = /^[a-z][A-Za-z0-9]{0,39}$/;

/** A status whose handler moves the order on. */
export interface HandledStatus<Name extends string = string> {
  /** The statuses that may follow; at least one. */
  readonly to: readonly Name[];
  /**
   * The longest time of one attempt, in seconds. Default 30, at most 43,200 (12 h, the longest lease of SQS). The abort
   * signal, the lease and the platform's time limits all derive from it.
   */
  readonly timeoutSeconds?: number;
  /** Handlers of this status that run at once, over the whole deployment. Default: the backend's. */
  readonly concurrency?: number;
  /** When a failed attempt is tried again. Defaults: 5 attempts, 1 s doubling to 300 s, full jitter. */
  readonly retry?: RetryPolicy;
  /** Where an order goes when its attempts are used up. Default: it stays and is marked failed. */
  readonly exhausted?: Name;
  /** Lets no order enter, and keeps queue and handler. Delete the status once it is empty. Default false. */
  readonly retired?: boolean;
  readonly waits?: never;
  readonly expires?: never;
  readonly final?: never;
}

/** A status that an API call moves on. */
export interface WaitingStatus<Name extends string = string> {
  /** The statuses that may follow; at least one. */
  readonly to: readonly Name[];
  readonly waits: true;
  /** Moves the order to `to` once it has waited `afterSeconds`. Default: it waits for ever. */
  readonly expires?: { readonly afterSeconds: number; readonly to: Name };
  /** Lets no order enter. Delete the status once it is empty. Default false. */
  readonly retired?: boolean;
  readonly timeoutSeconds?: never;
  readonly concurrency?: never;
  readonly retry?: never;
  readonly exhausted?: never;
  readonly final?: never;
}

/** A status that nothing leaves. */
export interface FinalStatus {
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

/** Nothing leaves this status. */
export const final: FinalStatus = Object.freeze({ final: true });

export type StatusDefinition<Name extends string = string> = HandledStatus<Name> | WaitingStatus<Name> | FinalStatus;

/** Every target is a status of the same workflow, and no option is unknown. */
export type Statuses<S> = {
  readonly [K in keyof S]: StatusDefinition<Extract<keyof S, string>> & {
    readonly [P in Exclude<keyof S[K], keyof HandledStatus>]: never;
  };
};

/** The statuses of one kind of order, and which may follow which. Only data: no handler, no SDK. */
export interface Workflow<
  S extends Statuses<S> = Record<string, StatusDefinition>,
  Data extends z.ZodType = z.ZodType,
  Results extends z.ZodType = z.ZodType,
> {
  readonly name: string;
  readonly data: Data;
  readonly results: Results | undefined;
  readonly group: ((data: z.output<Data>) => string | null | undefined) | undefined;
  readonly initial: Extract<keyof S, string>;
  readonly visitsMax: number;
  readonly statuses: S;
}

// biome-ignore lint/suspicious/noExplicitAny: the only way to say "any workflow at all"; its parts are invariant.
export type AnyWorkflow = Workflow<any, any, any>;

export type StatusName<W extends AnyWorkflow> = Extract<keyof W["statuses"], string>;
export type DataOf<W extends AnyWorkflow> = z.output<W["data"]>;
export type ResultsOf<W extends AnyWorkflow> =
  NonNullable<W["results"]> extends infer R
    ? R extends z.ZodType
      ? unknown extends z.output<R>
        ? Record<string, unknown>
        : z.output<R>
      : Record<string, unknown>
    : never;

export interface WorkflowOptions<S extends Statuses<S>, Data extends z.ZodType, Results extends z.ZodType> {
  /** Matches `^[a-z][A-Za-z0-9]{0,39}$`; it is the first segment of the API's paths. */
  readonly name: string;
  /** A zod schema of what clients send. It must have a JSON Schema: no dates, no transforms. */
  readonly data: Data;
  /** A zod schema of the merged results. Default: any JSON object. */
  readonly results?: Results;
  /**
   * Gives the group key of an order from its data; null for none. The backend limits its length: to 1,024 bytes on
   * SQLite. Default: no group.
   */
  readonly group?: (data: z.output<NoInfer<Data>>) => string | null | undefined;
  /** Where orders start. */
  readonly initial: Extract<keyof NoInfer<S>, string>;
  /** Transitions after which an order is marked failed with `visits_exceeded`, since it loops. Default 100. */
  readonly visitsMax?: number;
  readonly statuses: S;
}

/** Whether a value is what `defineWorkflow` returned, of whichever copy of the package. */
export function isWorkflow(value: unknown): value is AnyWorkflow {
  return isMarked(value, workflowMark);
}

/** Gives the faults that zod found in data. */
export function faultsOf(error: z.core.$ZodError): Fault[] {
  return error.issues.map((issue) => ({ path: issue.path.map(String).join("."), message: issue.message }));
}

export function kindOf(status: StatusDefinition): StatusKind {
  return status.final ? "final" : status.waits ? "waiting" : "handled";
}

/** Gives the definition of a status; undefined for a name that the workflow does not know. Any string is safe. */
export function statusOf(workflow: AnyWorkflow, name: string): StatusDefinition | undefined {
  return Object.hasOwn(workflow.statuses, name) ? workflow.statuses[name] : undefined;
}

/** Lists every status with its name, in the definition's order. */
export function statusesOf(workflow: AnyWorkflow): [name: string, status: StatusDefinition][] {
  return Object.entries(workflow.statuses as Record<string, StatusDefinition>);
}

/** Lists the names of the handled statuses, in the definition's order. Each has one queue and one handler. */
export function handledStatuses(workflow: AnyWorkflow): string[] {
  return statusesOf(workflow).flatMap(([name, status]) => (kindOf(status) === "handled" ? [name] : []));
}

/** Gives the definition of one of `handledStatuses`. */
export function handledStatus(workflow: AnyWorkflow, name: string): HandledStatus {
  return statusOf(workflow, name) as HandledStatus;
}

const defaultTimeoutSeconds = 30;

export function timeoutSecondsOf(status: HandledStatus): number {
  return status.timeoutSeconds ?? defaultTimeoutSeconds;
}

/** A lease lasts six times `timeoutSeconds`, as AWS advises for a queue's visibility timeout. */
const leasePerTimeout = 6;

/** Gives how long a delivery of the status is leased, in seconds. */
export function leaseSecondsOf(status: HandledStatus): number {
  return timeoutSecondsOf(status) * leasePerTimeout;
}

/** Gives the lease of every handled status, in seconds, for a backend. */
export function leasesOf(workflow: AnyWorkflow): Record<string, number> {
  return Object.fromEntries(
    handledStatuses(workflow).map((status) => [status, leaseSecondsOf(handledStatus(workflow, status))]),
  );
}

export function retryOf(status: StatusDefinition): Required<RetryPolicy> {
  // Field by field: in a spread, an explicit undefined would replace a default.
  const { attempts, baseSeconds, maxSeconds } = status.retry ?? {};
  return {
    attempts: attempts ?? defaultRetry.attempts,
    baseSeconds: baseSeconds ?? defaultRetry.baseSeconds,
    maxSeconds: maxSeconds ?? defaultRetry.maxSeconds,
  };
}
