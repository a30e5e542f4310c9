/** How an item becomes an order, and what stands for an item that cannot be read: each is read by itself. */
import { jsonOf } from "../../core/cursor.ts";
import type { StoredOrder } from "../../core/order.ts";
import { namePattern } from "../../core/workflow.ts";
import { isSoundNumber, unreadableOrder } from "../unreadable.ts";
import {
  attributes as a,
  decodeHistory,
  decodeOrder,
  type Item,
  kindOf,
  type LargeFields,
  soundNumberOf,
  textOf,
} from "./item.ts";

/** What the sweep, the mark of a failure and the queue set: no part of what was stored of the order. */
const marks: ReadonlySet<string> = new Set([
  ...["ix", a.due, a.swept, a.sweptBy, a.seenMessage, a.seenReceives],
  ...[a.failureAt, a.failureCode, a.failureFingerprint, a.failureMessage],
]);

/** Makes the order of an item and of its parts, which were read. */
export function orderOfItem(item: Item, large: LargeFields): StoredOrder {
  const faults = faultsIn(item, large);
  return faults.length === 0 ? decodeOrder(item, large) : unreadableItem(item, faults);
}

/** Makes what stands for an item that cannot be read. `faults` names the attributes at fault. */
export function unreadableItem(item: Item, faults: readonly string[]): StoredOrder {
  const id = textOf(item, "id") as string;
  const status = textOf(item, a.status);
  const failureIsRead = !faults.includes(a.failureAt);
  return unreadableOrder({
    id,
    status: status !== null && namePattern.test(status) ? status : null,
    kind: kindOf(textOf(item, a.kind)),
    visit: soundNumberOf(item, a.visit),
    version: soundNumberOf(item, a.version),
    attempts: soundNumberOf(item, a.attempts),
    group: textOf(item, a.group),
    createdAt: soundNumberOf(item, a.createdAt),
    updatedAt: soundNumberOf(item, a.updatedAt),
    expiresAt: soundNumberOf(item, a.expiresAt),
    failure: failureIsRead ? failureIn(item) : null,
    isFailed: item[a.failureAt] !== undefined,
    where: `the item of order ${id}`,
    faults,
    bytes: Object.keys(item)
      .filter((name) => !marks.has(name))
      .sort()
      .map((name) => [name, Buffer.from(JSON.stringify(item[name]))]),
  });
}

type Check = (item: Item, name: string) => boolean;

const isNumber: Check = (item, name) => soundNumberOf(item, name) !== null;
const isText: Check = (item, name) => textOf(item, name) !== null;
const orNone =
  (check: Check): Check =>
  (item, name) =>
    item[name] === undefined || check(item, name);

const checks: Readonly<Record<string, Check>> = {
  [a.status]: (item, name) => namePattern.test(textOf(item, name) ?? ""),
  [a.kind]: (item, name) => kindOf(textOf(item, name)) !== undefined,
  [a.visit]: isNumber,
  [a.version]: isNumber,
  [a.attempts]: isNumber,
  [a.attempting]: orNone((item, name) => typeof item[name]?.BOOL === "boolean"),
  [a.group]: orNone(isText),
  [a.createdAt]: isNumber,
  [a.updatedAt]: isNumber,
  [a.notBefore]: orNone(isNumber),
  [a.expiresAt]: orNone(isNumber),
  [a.omitted]: orNone(isNumber),
  [a.dataPart]: orNone(isText),
  [a.resultsPart]: orNone(isText),
  [a.extras]: orNone(isText),
  [a.extrasPart]: orNone(isText),
  [a.failureAt]: orNone((item) => failureIn(item) !== null),
  [a.history]: (item, name) => isHistory(textOf(item, name), soundNumberOf(item, a.createdAt) ?? 0),
};

function faultsIn(item: Item, large: LargeFields): string[] {
  const faults = Object.keys(checks).filter((name) => !checks[name]?.(item, name));
  const isJson = (text: string | null | undefined) => typeof text === "string" && jsonOf(text) !== undefined;
  if (!isJson(large.data ?? textOf(item, a.data))) faults.push(a.data);
  const results = large.results ?? (item[a.results] === undefined ? "{}" : textOf(item, a.results));
  // Results are an object, as the merge of results needs it.
  if (!isJson(results) || !/^\s*\{/.test(results ?? "")) faults.push(a.results);
  return faults;
}

function failureIn(item: Item): StoredOrder["failure"] {
  const [code, message] = [textOf(item, a.failureCode), textOf(item, a.failureMessage)];
  const [fingerprint, at] = [textOf(item, a.failureFingerprint), soundNumberOf(item, a.failureAt)];
  const isWhole = code !== null && message !== null && fingerprint !== null && at !== null;
  return isWhole ? { code, message, fingerprint, at } : null;
}

/** Whether a text is a history that `encodeHistory` may have written. */
function isHistory(text: string | null, createdAt: number): boolean {
  const parsed = text === null ? undefined : jsonOf(text);
  if (text === null || !Array.isArray(parsed) || parsed.length < 2 || !parsed.every(Array.isArray)) return false;
  const { entry, past } = decodeHistory(text, createdAt);
  const isEntry = ({ at, by, reason, error, key }: StoredOrder["entry"]): boolean =>
    isSoundNumber(at) &&
    typeof by.name === "string" &&
    by.runtime !== undefined &&
    [reason, error, key ?? null].every((each) => each === null || typeof each === "string");
  const isVisit = ({ status, visit, attempts }: StoredOrder["past"][number]): boolean =>
    typeof status === "string" && namePattern.test(status) && isSoundNumber(visit) && isSoundNumber(attempts);
  return isEntry(entry) && past.every((visit) => isEntry(visit) && isVisit(visit));
}
