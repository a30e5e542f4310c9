import type { Order } from "../core/order.ts";
import { ClientError } from "./clientError.ts";
import { type Connection, deadline, pause } from "./connection.ts";

export interface WaitParts {
  readonly clock: Connection["clock"];
  get(id: string, signal: AbortSignal): Promise<Order | undefined>;
  /** The statuses that orders leave: those that have a queue. */
  openStatuses(signal: AbortSignal): Promise<readonly string[]>;
}

const firstPauseSeconds = 0.1;
const longestPauseSeconds = 2;

/** Asks for an order, with growing pauses, until it stands in one of `statuses`, has passed through one, or cannot. */
export async function waitFor(
  { clock, get, openStatuses }: WaitParts,
  id: string,
  statuses: readonly string[],
  { timeoutSeconds = 60, signal }: { timeoutSeconds?: number | undefined; signal?: AbortSignal | undefined },
): Promise<Order> {
  const limit = deadline(clock, timeoutSeconds, signal);
  const wanted = statuses.map((status) => `"${status}"`).join(" or ");
  let open: readonly string[] = [];
  let stands = "it was not read yet";
  try {
    for (let seconds = firstPauseSeconds; ; seconds = Math.min(seconds * 1.5, longestPauseSeconds)) {
      const order = await get(id, limit.signal);
      if (order === undefined) {
        throw new ClientError("order_not_found", `no order has the id "${id}"; it may have been removed`, {
          status: 404,
        });
      }
      const { status, failure, history } = order;
      if (history.some((visit) => statuses.includes(visit.status))) return order;
      stands = `it stands in "${status}"`;
      if (failure !== null) {
        const why = `${failure.code}: ${failure.message}`;
        throw new ClientError("order_failed", `the order ${id} failed in "${status}" before ${wanted}: ${why}`);
      }
      // A status that is not known to be open may be new: the definition can change while this waits.
      if (!open.includes(status)) open = await openStatuses(limit.signal);
      if (!open.includes(status)) {
        throw new ClientError("order_ended", `the order ${id} ended in "${status}" and cannot come to ${wanted}`);
      }
      await pause(clock, seconds, limit.signal);
    }
  } catch (error) {
    if (!limit.passed) throw error;
    throw new ClientError(
      "wait_timed_out",
      `the order ${id} did not come to ${wanted} within ${timeoutSeconds} s; ${stands}`,
    );
  } finally {
    limit.clear();
  }
}
