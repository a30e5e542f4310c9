import { CauceError } from "../core/errors.ts";
import type { Who } from "../engine/engine.ts";
import { refusalError } from "../engine/operatorActions.ts";
import { type BoundWorkflow, isRefusal } from "./around.ts";
import { checkBody, noFields } from "./fields.ts";
import type { Operation } from "./operation.ts";
import { type OperationName, type Orders, ordersOver, pathFieldOf } from "./orders.ts";
import type { KeyedOptions } from "./types.ts";

/** A workflow's operations, called inside the process. */
export interface Library {
  /** Resolves to the engine's result. Rejects with a `CauceError` that has the code of a refusal. */
  run(name: OperationName, input?: unknown, options?: KeyedOptions): Promise<unknown>;
  readonly orders: Orders;
}

const inProcess: Who = { kind: "process" };

/** Makes a library that calls a workflow's operations without HTTP, with the same checks. Refusals are thrown. */
export function createLibrary({ engine, operations }: BoundWorkflow): Library {
  const workflow = engine.workflow.name;
  const bound = (name: string) => {
    const found = operations.get(name);
    if (found !== undefined) return found;
    const names = [...operations.keys()].join(", ");
    throw new CauceError("invalid_request", `there is no operation "${name}"; there is ${names}`);
  };
  const run = async (name: string, input: unknown, { signal, requestId, idempotencyKey }: KeyedOptions = {}) => {
    signal?.throwIfAborted();
    const { operation, run: runBound } = bound(name);
    if (operation.keyed) checkKey(idempotencyKey);
    const result = await runBound(checked(operation, input), { who: inProcess, requestId, idempotencyKey, bulk: true });
    if (isRefusal(result)) throw refusalError(result);
    return result;
  };
  return {
    run,
    orders: ordersOver(async (name, input, options) => {
      const { shown } = bound(name).operation;
      const result = await run(name, input, options);
      return shown?.value(result, workflow);
    }),
  };
}

/** Checks an operation's input against its schema. The field of the path must be text. */
function checked(operation: Operation, input: unknown): unknown {
  if (operation.takes === "data") return input;
  const fields = operation.input ?? noFields;
  const field = pathFieldOf(operation);
  // Only an input that is left out means `{}`. A filter that is null must not mean every order.
  if (field === undefined) return checkBody(fields, input === undefined ? {} : input);
  const { [field]: inPath, ...rest } = Object(input) as Record<string, unknown>;
  if (typeof inPath !== "string") throw new CauceError("invalid_request", `the field "${field}" must be text`);
  return { ...checkBody(fields, rest), [field]: inPath };
}

function checkKey(idempotencyKey: unknown): void {
  if (idempotencyKey === undefined) return;
  if (typeof idempotencyKey !== "string" || idempotencyKey === "" || idempotencyKey.length > 255) {
    throw new CauceError("invalid_request", "idempotencyKey must be a text of 1 to 255 characters");
  }
}
