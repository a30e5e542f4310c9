/** The types of `Orders<W>`, which are the same for the client, the library and tests. Types alone. */
import type { z } from "zod";
import type { Whereabouts } from "../backend/port.ts";
import type { App } from "../core/handlers.ts";
import type { Order } from "../core/order.ts";
import type { AnyWorkflow, DataOf, ResultsOf, StatusName } from "../core/workflow.ts";

export type { FailedFilter, Transition } from "../engine/engine.ts";

/** The workflow by which a client or `cauce.workflow` is typed: a workflow itself, or an app's. */
export type WorkflowOf<T> = T extends App<infer W> ? W : T extends AnyWorkflow ? T : never;

/** An order of a workflow as the API shows it. */
export type OrderOf<W extends AnyWorkflow> = Order<DataOf<W>, ResultsOf<W>, StatusName<W>>;

/** The data to place an order with: the schema's input. A field with a default may be left out. */
export type InputOf<W extends AnyWorkflow> = z.input<W["data"]>;

/** The options of every call. */
export interface CallOptions {
  /** Ends the call, which then rejects with the signal's reason. The library checks the signal only before the call begins. */
  readonly signal?: AbortSignal | undefined;
  /** Kept in the order's history and in the log. HTTP takes 1 to 128 visible ASCII characters and ignores any other text. */
  readonly requestId?: string | undefined;
}

export interface KeyedOptions extends CallOptions {
  /**
   * Calls with the same key are done once. 1 to 255 characters; HTTP takes visible ASCII. Default: the client makes a key
   * for each call, so that its repeats are done once. The library and tests use none.
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

/** Where an order is stored: the table and key with which the store's own tools find it. */
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
  /** When the order that is first in the queue last changed, in ISO 8601. Null: no order waits. */
  readonly oldestWaitingAt: string | null;
  /** An operator has paused the status: nothing is delivered until the status is resumed. */
  readonly paused: boolean;
  /** The counts are lower bounds. */
  readonly atLeast: boolean;
}
