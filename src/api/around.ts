import { CauceError } from "../core/errors.ts";
import type { Log } from "../core/handlers.ts";
import type { Call, Engine } from "../engine/engine.ts";
import { isRefusal, type Operation } from "./operation.ts";

/** What runs an operation: the operation itself, or it with something around it. Resolves to its result or a refusal. */
export type Run = (input: unknown, call: Call) => Promise<unknown>;

/**
 * Wraps what runs an operation: a log, an audit, a span. Called once per operation and workflow. It returns `run` itself
 * where it has nothing to add, so that such an operation costs nothing more.
 */
export type Around = (operation: Operation, run: Run, engine: Engine) => Run;

/** The operations of one workflow, each with everything that goes around it. */
export interface BoundWorkflow {
  readonly engine: Engine;
  readonly operations: ReadonlyMap<string, BoundOperation>;
}

export interface BoundOperation {
  readonly operation: Operation;
  readonly run: Run;
}

/** What goes around every operation, wherever it is called from. The first is the outermost. */
export function aroundsOf({ log }: { readonly log: Log }): readonly Around[] {
  return [operatorActions(log)];
}

/** Binds operations to an engine. */
export function bindOperations(
  engine: Engine,
  operations: readonly Operation[],
  arounds: readonly Around[],
): BoundWorkflow {
  const bound = operations.map((operation): [string, BoundOperation] => {
    const alone: Run = (input, call) => operation.run(engine, input as never, call);
    const run = arounds.reduceRight((inner, around) => around(operation, inner, engine), alone);
    return [operation.name, { operation, run }];
  });
  return { engine, operations: new Map(bound) };
}

/** Logs each operation that needs the role `operate`, done or refused, with who called it: one line at `info`. */
export function operatorActions(log: Log): Around {
  return (operation, run, { workflow }) => {
    const { name, role } = operation;
    if (role !== "operate") return run;
    const write = (input: unknown, call: Call, result: unknown, outcome: object) => {
      const about = operation.logFields?.(input as never, result) ?? aboutOf(input);
      const requestId = call.requestId ?? null;
      const fields = { workflow: workflow.name, operation: name, who: call.who, ...about, requestId, ...outcome };
      log.info(fields, "operator action");
    };
    return async (input, call) => {
      let result: unknown;
      try {
        result = await run(input, call);
      } catch (error) {
        write(input, call, undefined, { error: error instanceof CauceError ? error.code : "internal_error" });
        throw error;
      }
      if (isRefusal(result)) write(input, call, undefined, { refused: result.refused });
      else write(input, call, result, {});
      return result;
    };
  };
}

/** What most actions are about: an order, or a status. */
function aboutOf(input: unknown): object {
  const { id, status } = Object(input) as { id?: string; status?: string };
  return { orderId: id ?? null, ...(status === undefined ? {} : { status }) };
}
