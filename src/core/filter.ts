import type { StoredOrder } from "./order.ts";

/** Which orders are meant: those that match every field. A field that is left out matches every order. */
export interface Filter {
  readonly status?: string | undefined;
  /** True: only failed orders; false: only others. */
  readonly failed?: boolean | undefined;
  readonly fingerprint?: string | undefined;
  readonly group?: string | undefined;
  readonly ids?: readonly string[] | undefined;
}

export function matches(order: StoredOrder, { status, failed, fingerprint, group, ids }: Filter): boolean {
  return (
    (status === undefined || order.status === status) &&
    (failed === undefined || (order.failure !== null) === failed) &&
    (fingerprint === undefined || order.failure?.fingerprint === fingerprint) &&
    (group === undefined || order.group === group) &&
    (ids === undefined || ids.includes(order.id))
  );
}
