import type { StoredOrder } from "../../core/order.ts";
import type { Depth } from "../backend.ts";
import type { Queues } from "./queues.ts";

/** How many of the orders that are not final stand where. */
export function depthsOf(open: readonly StoredOrder[], { stateOf, paused }: Queues): Depth[] {
  const depths = new Map<string, { -readonly [K in keyof Depth]: Depth[K] }>();
  const none = { waiting: 0, inFlight: 0, delayed: 0, failed: 0, oldestWaitingAt: null, atLeast: false };
  for (const status of paused()) {
    depths.set(`handled ${status}`, { status, kind: "handled", ...none, paused: true });
  }
  for (const order of open) {
    const kind = order.kind === "waiting" ? "waiting" : "handled";
    const { status } = order;
    const row = `${kind} ${status}`;
    let depth = depths.get(row);
    if (depth === undefined) {
      depth = { status, kind, ...none, paused: false };
      depths.set(row, depth);
    }
    if (order.failure !== null) depth.failed++;
    else if (order.kind === "waiting") depth.waiting++;
    else {
      const state = stateOf(order.id);
      if (state === "due") {
        depth.waiting++;
        depth.oldestWaitingAt = Math.min(depth.oldestWaitingAt ?? Number.POSITIVE_INFINITY, order.updatedAt);
      } else if (state !== undefined) depth[state]++;
    }
  }
  return [...depths.values()];
}
