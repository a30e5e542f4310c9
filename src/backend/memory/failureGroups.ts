import type { StoredOrder } from "../../core/order.ts";
import type { FailureGroup } from "../backend.ts";

export interface FailureGroups {
  /** Counts an order's change: out of the group it was in, into the one it is in. */
  replace(before: StoredOrder, after: StoredOrder): void;
  /** The largest group first. */
  all(): FailureGroup[];
}

export function failureGroups(): FailureGroups {
  const groups = new Map<string, FailureGroup>();
  const keyOf = ({ status, failure }: StoredOrder): string | undefined =>
    failure === null ? undefined : JSON.stringify([status, failure.fingerprint]);

  function leave(order: StoredOrder): void {
    const key = keyOf(order);
    const group = key === undefined ? undefined : groups.get(key);
    if (key === undefined || group === undefined) return;
    if (group.count === 1) groups.delete(key);
    else groups.set(key, { ...group, count: group.count - 1 });
  }

  function join(order: StoredOrder): void {
    const key = keyOf(order);
    const { failure, status } = order;
    if (key === undefined || failure === null) return;
    const { at, message, fingerprint } = failure;
    const group = groups.get(key);
    if (group === undefined) {
      groups.set(key, { status, fingerprint, message, count: 1, firstAt: at, lastAt: at });
      return;
    }
    const latest = at >= group.lastAt ? { message, lastAt: at } : {};
    groups.set(key, { ...group, ...latest, count: group.count + 1 });
  }

  return {
    replace(before, after) {
      // The same failure again must not empty its group, which would forget when it began.
      if (keyOf(before) === keyOf(after) && before.failure?.at === after.failure?.at) return;
      leave(before);
      join(after);
    },
    all() {
      return [...groups.values()].sort((a, b) => b.count - a.count || b.lastAt - a.lastAt);
    },
  };
}
