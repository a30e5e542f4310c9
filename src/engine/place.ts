import { hash } from "node:crypto";
import { $ZodAsyncError } from "zod/v4/core";
import { refuseSize } from "../backend/newOrder.ts";
import type { Backend, NewOrder } from "../backend/port.ts";
import { expiryOf } from "../core/change.ts";
import { CauceError, type Fault } from "../core/errors.ts";
import { type AnyWorkflow, faultsOf, kindOf, type StatusDefinition, statusOf } from "../core/workflow.ts";
import { canonicalJson } from "./canonicalJson.ts";
import type { EngineContext } from "./context.ts";
import type { Call, Engine, Refusal } from "./engine.ts";
import { waitSecondsMax } from "./intake.ts";

/** Makes what places orders: it checks an order, stores it, and only then answers. */
export function createPlace({ workflow, backend, clock, actor, observer, intake }: EngineContext): Engine["place"] {
  const initial = statusOf(workflow, workflow.initial) as StatusDefinition;
  const kind = kindOf(initial);

  // The lines of a batch have one request id. One object for all of them is written as JSON once.
  let last = actor;
  const actorOf = (requestId: string) => {
    if (last.requestId !== requestId) last = { ...actor, requestId };
    return last;
  };

  /** Places what the gate has let in. */
  const placeNow: Engine["place"] = (body, call = {}) => {
    let accepted: ReturnType<typeof accept>;
    try {
      accepted = accept(workflow, backend, body, call);
    } catch (error) {
      intake.left(0);
      return Promise.reject(error);
    }
    if ("refused" in accepted) {
      intake.left(0);
      return Promise.resolve(accepted);
    }
    const now = clock.now();
    const { length } = accepted.dataJson;
    intake.took(length);
    const placing = backend.place({
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
    return entering.then((isIn) => (isIn ? placeNow(body, call) : overloaded));
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
  { idempotencyKey }: Partial<Call>,
): Pick<NewOrder, "dataJson" | "group" | "extrasJson" | "key"> | Refusal {
  let dataJson: string;
  let group: string | null = null;
  // No operation gives an order extras yet.
  const extrasJson = null;
  let key: NewOrder["key"] = null;
  try {
    const parsed = workflow.data.safeParse(body);
    if (!parsed.success) return invalidData(faultsOf(parsed.error));
    // `JSON.stringify` gives undefined for undefined and for functions, though its type says text.
    const json: string | undefined = JSON.stringify(parsed.data);
    if (json === undefined) return invalidData([{ path: "", message: "must be a value that JSON has" }]);
    dataJson = json;
    if (workflow.group !== undefined) group = groupOf(workflow, workflow.group, parsed.data);
    if (idempotencyKey !== undefined) key = keyOf(idempotencyKey, body);
  } catch (error) {
    if (error instanceof $ZodAsyncError) {
      const message = `workflow "${workflow.name}": the schema of data has an asynchronous check; checks must be synchronous`;
      throw new CauceError("schema_unsupported", message, { cause: error });
    }
    if (error instanceof CauceError) throw error;
    // The data is at fault: it is nested so deep that the stack ends, or holds text that has no UTF-8.
    const reason = error instanceof Error ? error.message : String(error);
    return invalidData([{ path: "", message: `cannot be taken: ${reason}` }]);
  }
  const tooLarge = refuseSize({ dataJson, group, extrasJson }, backend.limits);
  if (tooLarge !== undefined) return { refused: tooLarge.code, message: tooLarge.message };
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
    return refuse(`threw for data that fits the schema: ${cause instanceof Error ? cause.message : cause}`, cause);
  }
  if (found === null || typeof found === "string") return found;
  return refuse(`gave ${typeof found} for data that fits the schema; it must give a text, or undefined for no group`);
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
  return { keyHash: hash("sha256", idempotencyKey), contentHash: hash("sha256", canonicalJson(content)) };
}
