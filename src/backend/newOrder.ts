import { CauceError } from "../core/errors.ts";
import { extrasBytesMax } from "../core/extras.ts";
import type { StoredOrder } from "../core/order.ts";
import type { Limits, NewOrder } from "./backend.ts";

/** The order as it stands once it is placed. */
export function firstOf(order: NewOrder, id: string): StoredOrder {
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
    entry: { at: order.createdAt, reason: null, error: null, by: order.by },
    past: [],
    pastOmitted: 0,
    extrasJson: order.extrasJson,
  };
}

/** The `limit_exceeded` of data, a group key or extras of more bytes than the backend holds. */
export function refuseSize(order: NewOrder, { dataBytesMax, groupBytesMax }: Limits): CauceError | undefined {
  if (exceeds(order.dataJson, dataBytesMax)) {
    return new CauceError("limit_exceeded", `the data takes more than the ${dataBytesMax} bytes that the store holds`);
  }
  if (order.group !== null && exceeds(order.group, groupBytesMax)) {
    return new CauceError(
      "limit_exceeded",
      `the group key takes more than the ${groupBytesMax} bytes that the store holds`,
    );
  }
  if (order.extrasJson !== null && exceeds(order.extrasJson, extrasBytesMax)) {
    return new CauceError("limit_exceeded", `the extras take more than the ${extrasBytesMax} bytes that a store holds`);
  }
  return undefined;
}

/** A UTF-16 unit takes at most three bytes of UTF-8, so most texts need no count. */
function exceeds(text: string, bytesMax: number): boolean {
  return text.length * 3 > bytesMax && Buffer.byteLength(text) > bytesMax;
}
