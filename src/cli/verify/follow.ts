import type { Order } from "../../core/order.ts";
import type { AnyWorkflow } from "../../core/workflow.ts";
import type { Client, Queue } from "../../http/client/index.ts";
import { deadline, pause, standardClock } from "../../http/client/time.ts";
import { oneLine } from "../report.ts";

export interface FollowOptions {
  /** The status to follow it to. Default: where it ends or waits. */
  readonly to: string | undefined;
  readonly timeoutSeconds: number;
  /** Told of each status that the order was seen in. */
  readonly onStatus: (status: string) => void;
}

/** How far an order was followed. */
export interface Followed {
  /** As it was read last. */
  readonly order: Order;
  /** What it came to; undefined where it came to nothing that was looked for. */
  readonly end: "final" | "waiting" | "reached" | undefined;
  /** Why it came to nothing, for people; empty where it did. */
  readonly why: string;
}

export type Kinds = ReadonlyMap<string, Queue["kind"]>;

const firstPauseSeconds = 0.1;
const longestPauseSeconds = 2;

/** Reads the order, with growing pauses, until it is where it was to come to, cannot come there, or the time is over. */
export async function follow(
  client: Pick<Client<AnyWorkflow>, "get">,
  placed: Order,
  kinds: Kinds,
  { to, timeoutSeconds, onStatus }: FollowOptions,
): Promise<Followed> {
  const clock = standardClock();
  const limit = deadline(clock, timeoutSeconds, undefined);
  let order = placed;
  let told = 0;
  try {
    for (let seconds = firstPauseSeconds; ; seconds = Math.min(seconds * 1.5, longestPauseSeconds)) {
      for (const { status } of order.history.slice(told)) onStatus(status);
      told = order.history.length;
      const followed = judge(order, kinds, to);
      if (followed !== undefined) return followed;
      await pause(clock, seconds, limit.signal);
      const read = await client.get(order.id, { signal: limit.signal });
      if (read === undefined) return { order, end: undefined, why: `the order ${order.id} is gone` };
      order = read;
    }
  } catch (error) {
    if (!limit.passed) throw error;
    const stands = `after ${timeoutSeconds} s the order ${order.id} stands in "${order.status}"`;
    return { order, end: undefined, why: `${stands} and ${to === undefined ? "has not ended" : `not in "${to}"`}` };
  } finally {
    limit.clear();
  }
}

/** What there is to say of an order that need not be followed on. A status without a queue is final. */
function judge(order: Order, kinds: Kinds, to: string | undefined): Followed | undefined {
  const { id, status, failure, history } = order;
  const kind = kinds.get(status);
  if (to !== undefined && history.some((visit) => visit.status === to)) return { order, end: "reached", why: "" };
  if (failure !== null) {
    const why = `the order ${id} failed in "${status}": ${failure.code}: ${oneLine(failure.message)}`;
    return { order, end: undefined, why };
  }
  if (to === undefined) return kind === "handled" ? undefined : { order, end: kind ?? "final", why: "" };
  if (kind !== undefined) return undefined;
  return { order, end: undefined, why: `the order ${id} ended in "${status}" and cannot come to "${to}"` };
}
