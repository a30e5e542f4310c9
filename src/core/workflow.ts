import { z } from "zod";
import { CauceError, type Fault } from "./errors.ts";
import type { StatusKind } from "./order.ts";
import { defaultRetry, longestDelaySeconds, type RetryPolicy } from "./retry.ts";

/** A status whose handler moves the order on. */
export interface HandledStatus<Name extends string = string> {
  /** The statuses that may follow; at least one. */
  readonly to: readonly Name[];
  /**
   * Seconds that one attempt may take. Default 30, at most 43,200 (12 h, the longest lease of SQS). The abort signal,
   * the lease and the platform's time limits all derive from it.
   */
  readonly timeoutSeconds?: number;
  /** Handlers of this status that run at once, over the whole deployment. Default: the backend's. */
  readonly concurrency?: number;
  /** When a failed attempt is tried again. Defaults: 5 attempts, 1 s doubling to 300 s, full jitter. */
  readonly retry?: RetryPolicy;
  /** Where an order goes when its attempts are used up. Default: it stays and is marked failed. */
  readonly exhausted?: Name;
  /** Keeps queue and handler but lets nothing enter; delete the status once it is empty. Default false. */
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
  /** Lets nothing enter; delete the status once it is empty. Default false. */
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

export type Statuses<S> = { readonly [K in keyof S]: StatusDefinition<Extract<keyof S, string>> };

/** The statuses of one kind of order and which may follow which. Data alone: no handler, no SDK. */
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
  /** The group key of an order, from its data; null for none. At most 256 characters. Default: no group. */
  readonly group?: (data: z.output<NoInfer<Data>>) => string | null | undefined;
  /** Where orders start. */
  readonly initial: Extract<keyof NoInfer<S>, string>;
  /** Transitions after which an order is marked failed with `visits_exceeded`, since it loops. Default 100. */
  readonly visitsMax?: number;
  readonly statuses: S;
}

const namePattern = /^[a-z][A-Za-z0-9]{0,39}$/;
const reservedNames = new Set([
  "healthz",
  "readyz",
  "queues",
  "events",
  "metrics",
  "stats",
  "docs",
  "assets",
  "openapi",
]);
const longestTimeoutSeconds = 43_200;

/**
 * Checks a workflow and returns it. Throws `workflow_invalid` (naming the status and the fix) or
 * `schema_unsupported`.
 */
export function defineWorkflow<
  const S extends Statuses<S>,
  Data extends z.ZodType,
  Results extends z.ZodType = z.ZodType<Record<string, unknown>>,
>(options: WorkflowOptions<S, Data, Results>): Workflow<S, Data, Results> {
  checkWorkflow(options as unknown as WorkflowOptions<Record<string, StatusDefinition>, z.ZodType, z.ZodType>);
  return Object.freeze({
    name: options.name,
    data: options.data,
    results: options.results,
    group: options.group,
    initial: options.initial,
    visitsMax: options.visitsMax ?? 100,
    statuses: options.statuses,
  });
}

const known = {
  workflow: ["name", "data", "results", "group", "initial", "visitsMax", "statuses"],
  handled: ["to", "timeoutSeconds", "concurrency", "retry", "exhausted", "retired"],
  waiting: ["to", "waits", "expires", "retired"],
  final: ["final"],
  retry: ["attempts", "baseSeconds", "maxSeconds"],
  expires: ["afterSeconds", "to"],
};

function checkWorkflow(options: WorkflowOptions<Record<string, StatusDefinition>, z.ZodType, z.ZodType>): void {
  const where = `workflow "${String(options?.name)}"`;
  const refuse = (what: string): never => {
    throw new CauceError("workflow_invalid", `${where}: ${what}`);
  };
  const onlyKnown = (value: object, keys: readonly string[], what: string) => {
    for (const key of Object.keys(value)) {
      if (!keys.includes(key)) refuse(`${what} has the unknown option "${key}"; it takes ${keys.join(", ")}`);
    }
  };
  if (typeof options?.name !== "string" || !namePattern.test(options.name)) {
    refuse(`the name must match ${namePattern.source}`);
  }
  if (reservedNames.has(options.name)) refuse(`the name is one of the server's own routes; choose another`);
  onlyKnown(options, known.workflow, "the definition");
  const names = Object.keys(options.statuses ?? {});
  if (names.length === 0) refuse("statuses is empty; name at least an initial and a final status");
  const kinds = new Map(names.map((name) => [name, options.statuses[name] as StatusDefinition]));
  const target = (from: string, field: string, to: unknown) => {
    const status = kinds.get(to as string);
    if (status === undefined) {
      return refuse(
        `status "${from}": ${field} names "${String(to)}", which is no status; use one of ${names.join(", ")}`,
      );
    }
    if (status.retired)
      refuse(`status "${from}": ${field} names "${String(to)}", which is retired; nothing may enter it`);
  };
  const positive = (from: string, field: string, value: unknown, whole: boolean, most = Number.MAX_SAFE_INTEGER) => {
    if (value === undefined) return;
    const fits =
      typeof value === "number" && (whole ? Number.isInteger(value) && value >= 1 : value > 0) && value <= most;
    if (!fits) {
      const kind = whole ? "a whole number from 1" : "a number above 0";
      refuse(`status "${from}": ${field} must be ${kind}${most < Number.MAX_SAFE_INTEGER ? ` up to ${most}` : ""}`);
    }
  };

  if (!kinds.has(options.initial)) {
    refuse(`initial names "${String(options.initial)}", which is no status; use one of ${names.join(", ")}`);
  }
  if (kinds.get(options.initial)?.retired) refuse(`initial names "${options.initial}", which is retired`);
  if (kinds.get(options.initial)?.final)
    refuse(`initial names "${options.initial}", which is final; orders must be able to leave it`);
  if (options.visitsMax !== undefined && !(Number.isInteger(options.visitsMax) && options.visitsMax >= 1)) {
    refuse("visitsMax must be a whole number from 1");
  }
  for (const [name, status] of kinds) {
    if (!namePattern.test(name)) refuse(`status "${name}": the name must match ${namePattern.source}`);
    if (status === null || typeof status !== "object") refuse(`status "${name}" must be an object or final`);
    if (status.final) {
      onlyKnown(status, known.final, `status "${name}" is final and`);
      continue;
    }
    onlyKnown(status, status.waits ? known.waiting : known.handled, `status "${name}"`);
    if (!Array.isArray(status.to) || status.to.length === 0) {
      refuse(`status "${name}": to must list at least one status; if nothing leaves it, make it final`);
    }
    for (const to of status.to) target(name, "to", to);
    if (new Set(status.to).size < status.to.length) refuse(`status "${name}": to lists a status twice`);
    if (status.waits) {
      if (status.expires !== undefined) {
        onlyKnown(status.expires, known.expires, `status "${name}": expires`);
        positive(name, "expires.afterSeconds", status.expires.afterSeconds ?? null, false, longestDelaySeconds);
        target(name, "expires.to", status.expires.to);
      }
      continue;
    }
    positive(name, "timeoutSeconds", status.timeoutSeconds, false, longestTimeoutSeconds);
    positive(name, "concurrency", status.concurrency, true);
    if (status.exhausted !== undefined) {
      target(name, "exhausted", status.exhausted);
      if (status.exhausted === name)
        refuse(
          `status "${name}": exhausted names the status itself, which would loop; leave it out to mark the order failed`,
        );
    }
    if (status.retry !== undefined) {
      onlyKnown(status.retry, known.retry, `status "${name}": retry`);
      positive(name, "retry.attempts", status.retry.attempts, true);
      positive(name, "retry.baseSeconds", status.retry.baseSeconds, false, longestDelaySeconds);
      positive(name, "retry.maxSeconds", status.retry.maxSeconds, false, longestDelaySeconds);
    }
  }
  checkSchema(where, "data", options.data);
  if (options.results !== undefined) checkSchema(where, "results", options.results);
  if (options.group !== undefined && typeof options.group !== "function")
    refuse("group must be a function of the data");
}

function checkSchema(where: string, field: string, schema: z.ZodType): void {
  if (typeof (schema as { safeParse?: unknown } | undefined)?.safeParse !== "function") {
    throw new CauceError("workflow_invalid", `${where}: ${field} must be a zod schema`);
  }
  try {
    z.toJSONSchema(schema);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new CauceError(
      "schema_unsupported",
      `${where}: ${field} has no JSON Schema (${reason}); use types that JSON has, such as z.iso.datetime() for a date`,
      { cause },
    );
  }
}

/** What is wrong with data, as paths and messages. */
export function faultsOf(error: z.core.$ZodError): Fault[] {
  return error.issues.map((issue) => ({ path: issue.path.map(String).join("."), message: issue.message }));
}

export function kindOf(status: StatusDefinition): StatusKind {
  return status.final ? "final" : status.waits ? "waiting" : "handled";
}

/** The definition of a status, or undefined for one that the workflow does not know (any string is safe to ask). */
export function statusOf(workflow: AnyWorkflow, name: string): StatusDefinition | undefined {
  return Object.hasOwn(workflow.statuses, name)
    ? (workflow.statuses as Record<string, StatusDefinition>)[name]
    : undefined;
}

/** The names of the handled statuses, in the definition's order: one queue and one handler each. */
export function handledStatuses(workflow: AnyWorkflow): string[] {
  return Object.entries(workflow.statuses as Record<string, StatusDefinition>)
    .filter(([, status]) => kindOf(status) === "handled")
    .map(([name]) => name);
}

export const defaultTimeoutSeconds = 30;

export function timeoutSecondsOf(status: HandledStatus): number {
  return status.timeoutSeconds ?? defaultTimeoutSeconds;
}

export function retryOf(status: HandledStatus): Required<RetryPolicy> {
  return { ...defaultRetry, ...status.retry };
}
