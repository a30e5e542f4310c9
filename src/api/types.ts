/** What `Orders<W>` takes and gives: the same for the client, the library and tests. Types alone. */
import type { z } from "zod";
import type { Whereabouts } from "../backend/port.ts";
import type { App } from "../core/handlers.ts";
import type { Order } from "../core/order.ts";
import type { AnyWorkflow, DataOf, ResultsOf, StatusName } from "../core/workflow.ts";

export type { FailedFilter, Transition } from "../engine/engine.ts";

/** The workflow of what a client or `cauce.workflow` is typed by: itself, or that of an app. */
export type WorkflowOf<T> = T extends App<infer W> ? W : T extends AnyWorkflow ? T : never;

/** An order of a workflow as the API shows it. */
export type OrderOf<W extends AnyWorkflow> = Order<DataOf<W>, ResultsOf<W>, StatusName<W>>;

/** What is sent to place an order: the schema's input, in which what has a default may be left out. */
export type InputOf<W extends AnyWorkflow> = z.input<W["data"]>;

/** What every call takes. */
export interface CallOptions {
  /** Ends the call, which then rejects with the signal's reason. The library looks at it before the call begins. */
  readonly signal?: AbortSignal | undefined;
  /** Kept in the order's history and named in the log. Over HTTP up to 128 visible ASCII characters; another is ignored. */
  readonly requestId?: string | undefined;
}

export interface KeyedOptions extends CallOptions {
  /**
   * 1 to 255 characters, over HTTP of visible ASCII: a call with the same key is done once, however often it comes.
   * Default: the client makes one for each call, so that its repeats are done once; the library and tests use none.
   */
  readonly idempotencyKey?: string | undefined;
}

export interface OrdersQuery<W extends AnyWorkflow> {
  readonly status?: StatusName<W> | undefined;
  /** True: only failed orders; false: only others. */
  readonly failed?: boolean | undefined;
  readonly fingerprint?: string | undefined;
  readonly group?: string | undefined;
  /** Orders of one page, 1 to 1,000. Default 50; 200 when iterating. */
  readonly limit?: number | undefined;
}

export interface PageQuery<W extends AnyWorkflow> extends OrdersQuery<W> {
  /** The `nextCursor` of the page before. */
  readonly cursor?: string | undefined;
}

/** Where an order is stored: what looks it up with the store's own tools. */
export interface Stored extends Whereabouts {
  readonly id: string;
  readonly version: number;
}

/** Failed orders with the same status and fingerprint. */
export interface Failures<W extends AnyWorkflow> {
  readonly status: StatusName<W>;
  readonly fingerprint: string;
  /** The latest message. */
  readonly message: string;
  readonly count: number;
  /** In ISO 8601, as `lastAt`. */
  readonly firstAt: string;
  readonly lastAt: string;
}

/** How many orders stand in a status that is handled or waiting. */
export interface Queue<Status extends string = string> {
  readonly status: Status;
  readonly kind: "handled" | "waiting";
  readonly waiting: number;
  readonly inFlight: number;
  readonly delayed: number;
  readonly failed: number;
  /** When the order that is next in the queue changed last, in ISO 8601; null where none waits there. */
  readonly oldestWaitingAt: string | null;
  /** An operator has paused it: nothing is delivered until it is resumed. */
  readonly paused: boolean;
  /** The counts are lower bounds. */
  readonly atLeast: boolean;
}
