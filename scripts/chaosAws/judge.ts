import type { Order } from "../../src/core/order.ts";
import { type AnyWorkflow, handledStatuses, statusOf } from "../../src/core/workflow.ts";

export interface Evidence {
  readonly workflow: AnyWorkflow;
  /** The id that each key's placing was answered with. */
  readonly acknowledged: ReadonlyMap<string, string>;
  /** Every order of the store, with the key that its data names. */
  readonly orders: ReadonlyMap<string, { readonly key: string; readonly order: Order }>;
  /** How often a function logged that it moved an order on, by `id:visit`. */
  readonly moves: ReadonlyMap<string, number>;
}

export interface Judgement {
  readonly placed: number;
  /** Acknowledged, and not in the store. */
  readonly lost: number;
  /** Acknowledged, and not in a final status. */
  readonly stuck: number;
  /** Transitions that took effect twice, and keys that made two orders. */
  readonly appliedTwice: number;
  /** One line for each of them. */
  readonly faults: readonly string[];
}

export function judge({ workflow, acknowledged, orders, moves }: Evidence): Judgement {
  const lost = [...acknowledged].filter(([, id]) => !orders.has(id));
  const stuck = [...acknowledged.values()].flatMap((id) => {
    const order = orders.get(id)?.order;
    return order === undefined || hasEnded(workflow, order) ? [] : [order];
  });
  const twice: string[] = [];
  for (const [visit, count] of moves) if (count > 1) twice.push(`${visit} was moved on ${count} times`);
  for (const [id, { key, order }] of orders) {
    const known = acknowledged.get(key);
    if (known !== undefined && known !== id) twice.push(`the key ${key} made ${known} and ${id}`);
    const fault = outOfStep(workflow, order);
    if (fault !== undefined) twice.push(`${id}: ${fault}`);
  }
  return {
    placed: acknowledged.size,
    lost: lost.length,
    stuck: stuck.length,
    appliedTwice: twice.length,
    faults: [
      ...lost.map(([key, id]) => `${id} (${key}) is lost`),
      ...stuck.map(
        ({ id, status, visit, failure }) =>
          `${id} is stuck in ${status}, visit ${visit}: ${failure?.message ?? "open"}`,
      ),
      ...twice,
    ],
  };
}

export function hasEnded(workflow: AnyWorkflow, { status }: Pick<Order, "status">): boolean {
  return !handledStatuses(workflow).includes(status) && !("waits" in (statusOf(workflow, status) ?? {}));
}

/** What a history cannot be where each transition took place once. */
function outOfStep(workflow: AnyWorkflow, { history, visit, version, status }: Order): string | undefined {
  for (const [index, entry] of history.entries()) {
    if (entry.visit !== index) return `its history has visit ${entry.visit} at place ${index}`;
    const before = history[index - 1];
    if (before === undefined) continue;
    const { to = [] } = (statusOf(workflow, before.status) ?? {}) as { readonly to?: readonly string[] };
    if (!to.includes(entry.status)) return `it went from ${before.status} to ${entry.status}`;
  }
  if (history.length !== visit + 1 || history.at(-1)?.status !== status)
    return "its history does not lead to its status";
  return version > visit ? undefined : `its version ${version} is below its visits`;
}
