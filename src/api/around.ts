import { CauceError } from "../core/errors.ts";
import type { Log } from "../core/handlers.ts";
import type { Call, Engine, Refusal } from "../engine/engine.ts";
import type { Operation } from "./operation.ts";

/** Runs an operation, perhaps with a function around it. Resolves to the operation's result or a refusal. */
export type Run = (input: unknown, call: Call) => Promise<unknown>;

/**
 * Puts a function around an operation's `run`: a log, an audit, a span. Called once per operation and workflow. Return
 * `run` itself if there is nothing to add, so that the operation costs nothing more.
 */
export type Around = (operation: Operation, run: Run, engine: Engine) => Run;

/** Whether what `run` resolved to is a refusal. */
export function isRefusal(result: unknown): result is Refusal {
  return typeof result === "object" && result !== null && "refused" in result;
}

/** The operations of one workflow, each with the functions around it. */
export interface BoundWorkflow {
  readonly engine: Engine;
  readonly operations: ReadonlyMap<string, BoundOperation>;
}

export interface BoundOperation {
  readonly operation: Operation;
  readonly run: Run;
}

/** The functions around every operation, for HTTP, library and tests alike. The first is the outermost. */
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

/** Logs each operation that needs the role `operate`: one `info` line with who called it and how it ended. */
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

/** The order or status that an action is about. */
function aboutOf(input: unknown): object {
  const { id, status } = Object(input) as { id?: string; status?: string };
  return { orderId: id ?? null, ...(status === undefined ? {} : { status }) };
}
