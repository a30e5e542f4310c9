import type { Order } from "../core/order.ts";
import { ClientError } from "./clientError.ts";
import { type Connection, deadline, sleep } from "./connection.ts";

export interface WaitParts {
  readonly clock: Connection["clock"];
  get(id: string, signal: AbortSignal): Promise<Order | undefined>;
  /** Reads the statuses that orders leave: the handled and the waiting ones. */
  openStatuses(signal: AbortSignal): Promise<readonly string[]>;
}

const sleepSecondsMin = 0.1;
const sleepSecondsMax = 2;

/** Reads an order at growing intervals until it stands in one of `statuses`, has passed through one, or cannot reach one. */
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
    for (let seconds = sleepSecondsMin; ; seconds = Math.min(seconds * 1.5, sleepSecondsMax)) {
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
      // An unknown status may be a new one, since the server's definition can change during the wait. So ask.
      if (!open.includes(status)) open = await openStatuses(limit.signal);
      if (!open.includes(status)) {
        throw new ClientError("order_ended", `the order ${id} ended in "${status}" and cannot come to ${wanted}`);
      }
      await sleep(clock, seconds, limit.signal);
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
