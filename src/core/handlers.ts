import { CauceError } from "./errors.ts";
import { appMark, isMarked } from "./marks.ts";
import type { Order } from "./order.ts";
import {
  type AnyWorkflow,
  type DataOf,
  type FinalStatus,
  handledStatuses,
  isWorkflow,
  type ResultsOf,
  type StatusName,
  statusOf,
  type WaitingStatus,
} from "./workflow.ts";

/** The log of a handler. Each line also gets the order's id, status, visit and attempt. */
export interface Log {
  info(fields: Record<string, unknown>, message: string): void;
  warn(fields: Record<string, unknown>, message: string): void;
  error(fields: Record<string, unknown>, message: string): void;
}

/** What a handler gets besides the order and the app's resources. */
export interface HandlerContext {
  /** Aborts when the attempt has lasted `timeoutSeconds`. What the handler returns after that is ignored. */
  readonly signal: AbortSignal;
  /** `id:visit`, the same on every attempt of this visit: give it to every service that you call. */
  readonly idempotencyKey: string;
  /** The number of this attempt within the visit, from 1. */
  readonly attempt: number;
  readonly log: Log;
}

/** A handler's answer: the next status, or the next status with results to merge. */
export type Next<To extends string, Results> = To | { readonly to: To; readonly results?: Partial<Results> };

/** The statuses with a handler: neither waiting nor final. */
export type HandledName<W extends AnyWorkflow> = {
  [K in StatusName<W>]: W["statuses"][K] extends FinalStatus | WaitingStatus | { waits: true } | { final: true }
    ? never
    : K;
}[StatusName<W>];

export type NextName<W extends AnyWorkflow, K extends StatusName<W>> = W["statuses"][K] extends {
  to: readonly (infer To extends string)[];
}
  ? To
  : never;

export type Handler<W extends AnyWorkflow, K extends HandledName<W>, Resources> = (
  order: Order<DataOf<W>, ResultsOf<W>, K>,
  context: HandlerContext & Resources,
) => Promise<Next<NextName<W, K>, ResultsOf<W>>> | Next<NextName<W, K>, ResultsOf<W>>;

/** A handler whose module loads on first use. */
export interface LazyHandler<H> {
  readonly lazy: () => Promise<{ readonly default: H }>;
}

/** Loads a handler's module (its default export) when its status first needs it. */
export function lazy<H>(load: () => Promise<{ readonly default: H }>): LazyHandler<H> {
  return { lazy: load };
}

export type Handlers<W extends AnyWorkflow, Resources> = {
  readonly [K in HandledName<W>]: Handler<W, K, Resources> | LazyHandler<Handler<W, K, Resources>>;
};

/** A workflow with its handlers: what `createCauce` runs. */
export interface App<W extends AnyWorkflow = AnyWorkflow, Resources extends object = object> {
  readonly workflow: W;
  readonly handlers: Readonly<Record<string, AnyHandler | LazyHandler<AnyHandler>>>;
  readonly resources: (() => Promise<Resources> | Resources) | undefined;
  readonly release: ((resources: never) => Promise<void> | void) | undefined;
}

/** A handler as the engine calls it, without its types. */
export type AnyHandler = (order: Order, context: HandlerContext & Record<string, unknown>) => unknown;

export interface ImplementOptions<W extends AnyWorkflow, Resources extends object> {
  /**
   * Opens what handlers share (connections, clients). Called once at start. Its properties join the handler's context.
   */
  readonly resources?: () => Promise<Resources> | Resources;
  /**
   * Closes the resources at the end. Default: each resource's `Symbol.asyncDispose`, `Symbol.dispose` or `close()`, the
   * last first.
   */
  readonly release?: (resources: NoInfer<Resources>) => Promise<void> | void;
  /** One handler for each handled status, no more and no fewer. */
  readonly handlers: Handlers<NoInfer<W>, NoInfer<Resources>>;
}

/** Whether a value is what `implement` returned, of whichever copy of the package. */
export function isApp(value: unknown): value is App {
  return isMarked(value, appMark);
}

/** Joins a workflow and its handlers. Throws `app_invalid` where they do not fit; the message names the status. */
export function implement<W extends AnyWorkflow, Resources extends object = Record<never, never>>(
  workflow: W,
  options: ImplementOptions<W, Resources>,
): App<NoInfer<W>, NoInfer<Resources>> {
  const refuse = (what: string): never => {
    throw new CauceError("app_invalid", `workflow "${workflow?.name}": ${what}`);
  };
  if (!isWorkflow(workflow)) refuse("the first argument must be what defineWorkflow returned");
  if (options === null || typeof options !== "object") {
    refuse("the second argument must be { handlers }, with one handler for each handled status");
  }
  for (const field of ["resources", "release"] as const) {
    if (options[field] !== undefined && typeof options[field] !== "function") {
      refuse(`${field} must be a function, so that nothing opens before the start`);
    }
  }
  for (const key of Object.keys(options)) {
    if (!["resources", "release", "handlers"].includes(key)) refuse(`implement has the unknown option "${key}"`);
  }
  const handlers = (options.handlers ?? {}) as unknown as App["handlers"];
  const handled = handledStatuses(workflow);
  for (const name of handled) {
    if (!Object.hasOwn(handlers, name))
      refuse(`status "${name}" has no handler; add handlers.${name}, or make it waiting or final`);
    const handler = handlers[name];
    if (typeof handler !== "function" && typeof handler?.lazy !== "function") {
      refuse(`status "${name}": its handler must be a function or lazy(() => import(…))`);
    }
  }
  for (const name of Object.keys(handlers)) {
    if (handled.includes(name)) continue;
    const status = statusOf(workflow, name);
    if (status === undefined) refuse(`handlers.${name} has no status; remove it, or define the status`);
    refuse(`status "${name}" is ${status?.final ? "final" : "waiting"} and takes no handler; remove handlers.${name}`);
  }
  return Object.freeze({
    [appMark]: true,
    workflow,
    handlers,
    resources: options.resources,
    release: options.release as App["release"],
  });
}
