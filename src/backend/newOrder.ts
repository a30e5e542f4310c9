import { CauceError } from "../core/errors.ts";
import { extrasBytesMax } from "../core/extras.ts";
import type { Entry, StoredOrder } from "../core/order.ts";
import { exceedsBytes } from "../core/order.ts";
import type { Limits, NewOrder } from "./port.ts";

/** The order as it stands once it is placed. */
export function storedOrder(order: NewOrder, id: string): StoredOrder {
  return {
    id,
    status: order.status,
    kind: order.kind,
    visit: 0,
    version: 1,
    attempts: 0,
    attempting: false,
    dataJson: order.dataJson,
    resultsJson: "{}",
    group: order.group,
    createdAt: order.createdAt,
    updatedAt: order.createdAt,
    notBefore: null,
    expiresAt: order.expiresAt,
    failure: null,
    entry: placedEntry(order),
    past: [],
    pastOmitted: 0,
    extrasJson: order.extrasJson,
  };
}

/** How an order enters its first status. */
export function placedEntry({ createdAt, by }: NewOrder): Entry {
  return { at: createdAt, reason: null, error: null, by };
}

/** The `limit_exceeded` of data, a group key or extras of more bytes than the backend holds. */
export function refuseSize(
  order: Pick<NewOrder, "dataJson" | "group" | "extrasJson">,
  { dataBytesMax, groupBytesMax }: Pick<Limits, "dataBytesMax" | "groupBytesMax">,
): CauceError | undefined {
  if (exceedsBytes(order.dataJson, dataBytesMax)) {
    return new CauceError("limit_exceeded", `the data takes more than the ${dataBytesMax} bytes that the store holds`);
  }
  if (order.group !== null && exceedsBytes(order.group, groupBytesMax)) {
    return new CauceError(
      "limit_exceeded",
      `the group key takes more than the ${groupBytesMax} bytes that the store holds`,
    );
  }
  if (order.extrasJson !== null && exceedsBytes(order.extrasJson, extrasBytesMax)) {
    return new CauceError("limit_exceeded", `the extras take more than the ${extrasBytesMax} bytes that a store holds`);
  }
  return undefined;
}
