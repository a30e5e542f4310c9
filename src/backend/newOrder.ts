/** What a placing makes: the order as it stands at first, its id, and the refusal of what is too large. */
import { randomBytes } from "node:crypto";
import { CauceError } from "../core/errors.ts";
import { extrasBytesMax } from "../core/extras.ts";
import { exceedsBytes, type StoredOrder } from "../core/order.ts";
import type { Limits, NewOrder } from "./port.ts";

/** Makes the order as it stands once it is placed. */
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
    entry: { at: order.createdAt, reason: null, error: null, by: order.by },
    past: [],
    pastOmitted: 0,
    extrasJson: order.extrasJson,
  };
}

/**
 * Makes the `limit_exceeded` for data, a group key or extras of more bytes than the backend holds; else undefined.
 * Makes the `invalid_data` for a group key that has no UTF-8: stores keep text as UTF-8, where lone surrogates all become
 * U+FFFD, and two groups would become one. JSON escapes lone surrogates, so the data may hold them.
 */
export function refuseContent(
  { dataJson, group, extrasJson }: Pick<NewOrder, "dataJson" | "group" | "extrasJson">,
  { dataBytesMax, groupBytesMax }: Pick<Limits, "dataBytesMax" | "groupBytesMax">,
): CauceError | undefined {
  return (
    illFormed(group) ??
    tooLarge("the data takes", dataJson, dataBytesMax) ??
    tooLarge("the group key takes", group, groupBytesMax) ??
    tooLarge("the extras take", extrasJson, extrasBytesMax)
  );
}

function illFormed(group: string | null): CauceError | undefined {
  if (group === null || group.isWellFormed()) return undefined;
  const message = "has half of a surrogate pair, which no UTF-8 can hold";
  return new CauceError("invalid_data", `the group key ${message}`, { faults: [{ path: "group", message }] });
}

function tooLarge(what: string, text: string | null, bytesMax: number): CauceError | undefined {
  if (text === null || !exceedsBytes(text, bytesMax)) return undefined;
  return new CauceError("limit_exceeded", `${what} more than the ${bytesMax} bytes that the store holds`);
}

/**
 * Ids that sort by the time of placing: UUIDs of version 7 (RFC 9562). Their 60 bits of time are a number of their own,
 * `seq`, which SQLite takes as the row's integer key: a lookup by id is a lookup by rowid, and new rows always go to
 * the end of the table. Random keys cost four fifths of the throughput (docs/embedded.md).
 *
 * seq = milliseconds since 2026 × 4,096 + a counter within the millisecond. It stays a safe integer until 2095.
 */
const epochMilliseconds = Date.UTC(2026, 0, 1);
const perMillisecond = 4_096;
const poolBytes = 4_096;
const randomDigits = 16;

export type Ids = ReturnType<typeof createIds>;

export function createIds(lastSeq: number) {
  let last = lastSeq;
  let pool = randomBytes(poolBytes).toString("hex");
  let used = 0;
  let milliseconds = -1;
  let time = "";

  return {
    /** Makes the next key and its id. Each is later than every one before, even when the clock steps back. */
    next(nowMilliseconds: number): { seq: number; id: string } {
      last = Math.max(last + 1, (Math.floor(nowMilliseconds) - epochMilliseconds) * perMillisecond);
      const lastMilliseconds = epochMilliseconds + Math.floor(last / perMillisecond);
      // Under load many ids are of one millisecond.
      if (milliseconds !== lastMilliseconds) {
        milliseconds = lastMilliseconds;
        time = milliseconds.toString(16).padStart(12, "0");
        time = `${time.slice(0, 8)}-${time.slice(8)}`;
      }
      if (used === pool.length) {
        pool = randomBytes(poolBytes).toString("hex");
        used = 0;
      }
      const version = (0x7000 + (last % perMillisecond)).toString(16);
      const random = pool.slice(used, (used += randomDigits));
      const variant = "89ab"[random.charCodeAt(0) & 3];
      return { seq: last, id: `${time}-${version}-${variant}${random.slice(1, 4)}-${random.slice(4)}` };
    },
  };
}

/** Gives the first key of orders that are placed at this time: no such order has an earlier key. */
export function firstSeqOf(milliseconds: number): number {
  return Math.max(0, (Math.floor(milliseconds) - epochMilliseconds) * perMillisecond);
}

/** Makes an id of this key for an order whose own id cannot be read: `seqOf` gives the key again. */
export function standInIdOf(seq: number): string {
  const time = (epochMilliseconds + Math.floor(seq / perMillisecond)).toString(16).padStart(12, "0");
  return `${time.slice(0, 8)}-${time.slice(8)}-${(0x7000 + (seq % perMillisecond)).toString(16)}-8000-000000000000`;
}

const idPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** Reads the key from an id; undefined for a string that is no id of this backend. */
export function seqOf(id: string): number | undefined {
  if (!idPattern.test(id)) return undefined;
  const milliseconds = Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16) - epochMilliseconds;
  const seq = milliseconds * perMillisecond + Number.parseInt(id.slice(15, 18), 16);
  return Number.isSafeInteger(seq) && seq >= 0 ? seq : undefined;
}
