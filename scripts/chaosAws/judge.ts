import type { Order } from "../../src/core/order.ts";
import { type AnyWorkflow, handledStatuses, statusOf } from "../../src/core/workflow.ts";

/** A placing that was answered with an order. */
export interface Acknowledged {
  readonly id: string;
  /** When the request was sent first, and when it was answered, in milliseconds since 1970. */
  readonly sentAt: number;
  readonly answeredAt: number;
}

export interface Evidence {
  readonly workflow: AnyWorkflow;
  /** Whether the orders of a group are to keep their order. */
  readonly fifo: boolean;
  /**
   * The time from which every subscription worked, in milliseconds since 1970. A message that was published earlier may
   * have reached no queue. Then the sweep puts its order behind the others.
   */
  readonly subscribedAt: number;
  readonly acknowledged: ReadonlyMap<string, Acknowledged>;
  /** Every order of the store, with the key that its data names. */
  readonly orders: ReadonlyMap<string, { readonly key: string; readonly order: Order }>;
  /** How often a function logged that it moved an order on, by `id:visit`. */
  readonly transitions: ReadonlyMap<string, number>;
}

export interface Judgement {
  readonly placed: number;
  /** Orders that were acknowledged and are not in the store. */
  readonly lost: number;
  /** Orders that were acknowledged and are not in a final status. */
  readonly stuck: number;
  /** Transitions that took effect twice, and keys that made two orders. */
  readonly appliedTwice: number;
  /** FIFO: orders that left a status before one of their group that had entered it before them. */
  readonly outOfOrder: number;
  /** One line for each finding. */
  readonly faults: readonly string[];
}

export function judge(evidence: Evidence): Judgement {
  const { workflow, fifo, acknowledged, orders, transitions } = evidence;
  const lost = [...acknowledged].filter(([, { id }]) => !orders.has(id));
  const stuck = [...acknowledged.values()].flatMap(({ id }) => {
    const order = orders.get(id)?.order;
    return order === undefined || hasEnded(workflow, order) ? [] : [order];
  });
  const twice: string[] = [];
  for (const [visit, count] of transitions) if (count > 1) twice.push(`${visit} was moved on ${count} times`);
  for (const [id, { key, order }] of orders) {
    const known = acknowledged.get(key)?.id;
    if (known !== undefined && known !== id) twice.push(`the key ${key} made ${known} and ${id}`);
    const fault = outOfStep(workflow, order);
    if (fault !== undefined) twice.push(`${id}: ${fault}`);
  }
  const overtaking = fifo ? overtakings(evidence) : [];
  return {
    placed: acknowledged.size,
    lost: lost.length,
    stuck: stuck.length,
    appliedTwice: twice.length,
    outOfOrder: overtaking.length,
    faults: [
      ...lost.map(([key, { id }]) => `${id} (${key}) is lost`),
      ...stuck.map(
        ({ id, status, visit, failure }) =>
          `${id} is stuck in ${status}, visit ${visit}: ${failure?.message ?? "open"}`,
      ),
      ...twice,
      ...overtaking,
    ],
  };
}

/** Finds the orders that left a status before one of their group that had entered it earlier. */
function overtakings({ acknowledged, orders, subscribedAt }: Evidence): string[] {
  const groups = Map.groupBy(orders.values(), ({ order }) => order.group);
  return [...groups.values()].flatMap((group) => {
    const stays = Map.groupBy(
      group.flatMap(({ key, order }) =>
        order.history.slice(0, -1).map(({ status, at }, index) => ({
          ...{ id: order.id, status },
          // Placings that overlap may enter in either order. A placing is first if it was answered before the other was
          // sent.
          from: index === 0 ? (acknowledged.get(key)?.sentAt ?? Number.POSITIVE_INFINITY) : Date.parse(at),
          until: index === 0 ? (acknowledged.get(key)?.answeredAt ?? Number.POSITIVE_INFINITY) : Date.parse(at),
          left: Date.parse(order.history[index + 1]?.at ?? ""),
        })),
      ),
      ({ status }) => status,
    );
    return [...stays.values()].flatMap((all) =>
      all.flatMap((one) =>
        all
          .filter(({ from, until, left }) => from > subscribedAt && until < one.from && left > one.left)
          .map((other) => `${one.id} left ${one.status} before ${other.id}, which had come into it earlier`),
      ),
    );
  });
}

export function hasEnded(workflow: AnyWorkflow, { status }: Pick<Order, "status">): boolean {
  return !handledStatuses(workflow).includes(status) && !("waits" in (statusOf(workflow, status) ?? {}));
}

/** Finds what a history cannot hold if each transition took place once. */
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
