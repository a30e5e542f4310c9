import type { Orders } from "../api/orders.ts";
import type { CallOptions, OrderOf, OrdersQuery } from "../api/types.ts";
import type { AnyWorkflow, StatusName } from "../core/workflow.ts";
import type { ConnectionOptions } from "./connection.ts";

export interface ClientOptions extends ConnectionOptions {
  /** The workflow's URL, to which orders are posted, such as `https://shop.example.com/api/orders`. */
  readonly url: string;
}

export interface WaitOptions extends CallOptions {
  /** Seconds after which the wait rejects with `wait_timed_out`. Default 60. */
  readonly timeoutSeconds?: number | undefined;
}

/**
 * One workflow of a server, over its HTTP API. Calls reject with a `ClientError`, which has the API's `code`, the HTTP
 * `status` and the `faults`. Its code is `unreachable` if no response came, and `unexpected_answer` if the response was
 * not Cauce's. Network errors, 429, 502, 503 and 504 are tried again, with exponential backoff, full jitter and
 * `Retry-After`. Placings and transitions carry an idempotency key, so that they are done once.
 */
export interface Client<W extends AnyWorkflow> extends Orders<W> {
  /** All orders that match, page after page, the newest first. */
  orders(query?: OrdersQuery<W>, options?: CallOptions): AsyncIterable<OrderOf<W>>;
  /**
   * Waits until the order stands in one of these statuses or has passed through one. Rejects with `wait_timed_out`,
   * `order_not_found`, `order_failed` as soon as the order fails, or `order_ended` as soon as it ends elsewhere.
   */
  waitFor(id: string, status: StatusName<W> | readonly StatusName<W>[], options?: WaitOptions): Promise<OrderOf<W>>;
}
