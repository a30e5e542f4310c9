import { hash } from "node:crypto";
import { refuseContent } from "../backend/newOrder.ts";
import type { Backend, NewOrder } from "../backend/port.ts";
import { expiryOf } from "../core/change.ts";
import { passesJsonOn } from "../core/defineWorkflow.ts";
import { CauceError, type Fault } from "../core/errors.ts";
import { describeJsonFault, jsonFault } from "../core/json.ts";
import { readReleased } from "../core/numbers.ts";
import { isError, messageOf } from "../core/reasons.ts";
import { type AnyWorkflow, faultsOf, kindOf, type StatusDefinition, statusOf } from "../core/workflow.ts";
import { canonicalJson } from "./canonicalJson.ts";
import type { EngineContext } from "./context.ts";
import type { Call, Engine, Refusal } from "./engine.ts";
import { waitSecondsMax } from "./intake.ts";

/** Makes what places orders: it checks an order, stores it, and only then answers. */
export function createPlace(context: EngineContext): Engine["place"] {
  const { workflow, backend, clock, actor, observer, intake } = context;
  const tellOverload = createOverloadLog(context);
  const initial = statusOf(workflow, workflow.initial) as StatusDefinition;
  const schemaPassesJsonOn = passesJsonOn(workflow.data);
  const kind = kindOf(initial);

  // The lines of a batch have one request id. One object for all of them is written as JSON once.
  let last = actor;
  const actorOf = (requestId: string) => {
    if (last.requestId !== requestId) last = { ...actor, requestId };
    return last;
  };

  /** Places what the gate has let in. Whatever comes of it, the gate is told once that the placing has left. */
  const placeNow: Engine["place"] = (body, call = {}) => {
    let length = 0;
    let placing: ReturnType<Backend["place"]>;
    try {
      const accepted = accept(workflow, backend, body, call, schemaPassesJsonOn);
      if ("refused" in accepted) {
        intake.left(0);
        return Promise.resolve(accepted);
      }
      const now = clock.now();
      length = accepted.dataJson.length;
      intake.took(length);
      placing = backend.place({
        status: workflow.initial,
        kind,
        dataJson: accepted.dataJson,
        group: accepted.group,
        createdAt: now,
        expiresAt: expiryOf(initial, now),
        extrasJson: accepted.extrasJson,
        by: call.requestId ? actorOf(call.requestId) : actor,
        key: accepted.key,
      });
    } catch (error) {
      intake.left(length);
      return Promise.reject(error);
    }
    const refused = (error: unknown): never => {
      intake.left(length);
      throw error;
    };
    return placing.then((result) => {
      intake.left(length);
      if (result.outcome === "conflict") {
        return {
          refused: "idempotency_conflict",
          message: `the idempotency key was used for order ${result.orderId} with other content; use a new key for a new order`,
        };
      }
      const placed = result.outcome === "placed";
      if (placed) observer.placed(result.order);
      return { placed, order: result.order };
    }, refused);
  };

  // Not async, which would cost every placing one more promise.
  return (body, call = {}) => {
    const entering = intake.enter(call.bulk ? "bulk" : "single");
    if (entering === undefined) return placeNow(body, call);
    return entering.then((isIn) => {
      if (isIn) return placeNow(body, call);
      tellOverload();
      return overloaded;
    });
  };
}

const tellEveryMilliseconds = 60_000;

/** Makes what logs that placings are refused: at the first, and then once a minute at most. */
function createOverloadLog({ workflow, clock, log, intake }: EngineContext): () => void {
  let toldAt = Number.NEGATIVE_INFINITY;
  return () => {
    const now = clock.monotonic();
    if (now - toldAt < tellEveryMilliseconds) return;
    toldAt = now;
    const { waiting, refused } = intake.state();
    log.warn({ workflow: workflow.name, waiting, refused }, "more orders come in than are processed; some are refused");
  };
}

const overloaded: Refusal = {
  refused: "overloaded",
  message: `more orders come in than this process can process, and this one waited ${waitSecondsMax} s; nothing was stored, so place it again later`,
};

/** Checks everything that can be refused before anything is written. */
function accept(
  workflow: AnyWorkflow,
  backend: Backend,
  body: unknown,
  { idempotencyKey, who }: Partial<Call>,
  schemaPassesJsonOn: boolean,
): Pick<NewOrder, "dataJson" | "group" | "extrasJson" | "key"> | Refusal {
  let dataJson: string;
  let group: string | null = null;
  // No operation gives an order extras yet.
  const extrasJson = null;
  let key: NewOrder["key"] = null;
  try {
    const parsed = workflow.data.safeParse(body);
    if (!parsed.success) return invalidData(faultsOf(parsed.error));
    // Over HTTP a body is what `JSON.parse` gave.
    const isJson = who !== undefined && who.kind !== "process";
    const fault = isJson ? undefined : jsonFault(body);
    if (fault !== undefined) {
      return { refused: "invalid_data", message: describeJsonFault("the data", fault), faults: [fault] };
    }
    if (!isJson || !schemaPassesJsonOn) refuseMade(workflow, jsonFault(parsed.data));
    dataJson = JSON.stringify(parsed.data);
    if (workflow.group !== undefined) group = groupOf(workflow, workflow.group, parsed.data);
    if (idempotencyKey !== undefined) key = keyOf(idempotencyKey, body);
  } catch (error) {
    if (isAsyncCheck(error)) {
      const message = `workflow "${workflow.name}": the schema of data has an asynchronous check; checks must be synchronous`;
      throw new CauceError("schema_unsupported", message, { cause: error });
    }
    if (error instanceof CauceError) throw error;
    // The data is at fault: it is nested so deep that the stack ends, or holds text that has no UTF-8.
    return invalidData([{ path: "", message: `cannot be taken: ${messageOf(error)}` }]);
  }
  const error = refuseContent({ dataJson, group, extrasJson }, backend.limits);
  if (error !== undefined) return { refused: error.code, message: error.message, faults: error.faults };
  return { dataJson, group, extrasJson, key };
}

/**
 * Works out the group key. Throws `workflow_invalid`: the app is at fault where `group` fails for data that fits the
 * schema.
 */
function groupOf(workflow: AnyWorkflow, group: (data: never) => unknown, data: unknown): string | null {
  const refuse = (what: string, cause?: unknown): never => {
    throw new CauceError("workflow_invalid", `workflow "${workflow.name}": group ${what}`, { cause });
  };
  let found: unknown;
  try {
    found = group(data as never) ?? null;
  } catch (cause) {
    return refuse(`threw for data that fits the schema: ${messageOf(cause)}`, cause);
  }
  if (found === null || typeof found === "string") return found;
  return refuse(`gave ${typeof found} for data that fits the schema; it must give a text, or undefined for no group`);
}

/** Throws `schema_unsupported` for a value that the schema made of JSON, and that JSON has no word for. */
function refuseMade({ name }: AnyWorkflow, fault: Fault | undefined): void {
  if (fault === undefined) return;
  const { path, message } = fault;
  const what = `workflow "${name}": the schema of data gives a value whose "${path}" ${message}`;
  throw new CauceError("schema_unsupported", `${what}; use types that JSON has`, { faults: [fault] });
}

/**
 * Whether zod refuses to run an asynchronous check. Each copy of zod has an error class of its own for that, which has
 * no mark but its name, and its words where a bundler has shortened the name.
 */
function isAsyncCheck(error: unknown): boolean {
  if (!isError(error)) return false;
  return error.constructor?.name === "$ZodAsyncError" || error.message.includes("Promise during synchronous parse");
}

function invalidData(faults: readonly Fault[]): Refusal {
  const [first] = faults;
  const where = first?.path ? `${first.path}: ` : "";
  const more = faults.length > 1 ? ` (and ${faults.length - 1} more)` : "";
  return {
    refused: "invalid_data",
    message: `the data does not fit the schema: ${where}${first?.message}${more}`,
    faults,
  };
}

export type RequestKey = NonNullable<NewOrder["key"]>;

/** Hashes an idempotency key, and the canonical JSON (RFC 8785) of the content that came with it. */
export function keyOf(idempotencyKey: string, content: unknown): RequestKey {
  // The content is hashed whole, also a number in a member that the schema drops.
  const contentHash = readReleased(content, () => hash("sha256", canonicalJson(content)));
  return { keyHash: hash("sha256", idempotencyKey), contentHash };
}
