import type { Orders } from "../api/orders.ts";
import type { CallOptions, OrderOf, OrdersQuery } from "../api/types.ts";
import type { AnyWorkflow, StatusName } from "../core/workflow.ts";
import type { ConnectionOptions } from "./connection.ts";

export interface ClientOptions extends ConnectionOptions {
  /** The workflow's address, to which orders are posted, such as `https://shop.example.com/api/orders`. */
  readonly url: string;
}

export interface WaitOptions extends CallOptions {
  /** Seconds after which it rejects with `wait_timed_out`. Default 60. */
  readonly timeoutSeconds?: number | undefined;
}

/**
 * One workflow of a server, over its HTTP API. Calls reject with a `ClientError`, which has the API's `code`, its HTTP
 * `status` and its `faults`; with `unreachable` when no answer came, and `unexpected_answer` when it was not Cauce's.
 * Network errors, 429, 502, 503 and 504 are tried again, with exponential backoff, full jitter and `Retry-After`;
 * placings and transitions carry an idempotency key, so that they are done once.
 */
export interface Client<W extends AnyWorkflow> extends Orders<W> {
  /** All orders that match, page after page, the newest first. */
  orders(query?: OrdersQuery<W>, options?: CallOptions): AsyncIterable<OrderOf<W>>;
  /**
   * The order, once it stands in one of these statuses or has passed through one. Rejects with `wait_timed_out`;
   * `order_failed` or `order_ended` as soon as it failed or came to another final status; `order_not_found`.
   */
  waitFor(id: string, status: StatusName<W> | readonly StatusName<W>[], options?: WaitOptions): Promise<OrderOf<W>>;
}
