import type { z } from "zod";
import type { ErrorCode } from "../core/errors.ts";
import type { Call, Engine, Refusal } from "../engine/engine.ts";
import type { Wire } from "./orders.ts";

/**
 * One thing that can be done to a workflow's orders. Its route, its entry in the OpenAPI document, the client's request,
 * the library's call and the command follow from this declaration.
 */
export interface Operation<Input = never, Out = unknown> extends Wire {
  readonly name: string;
  /** One line that begins with a verb, without a full stop: `Pause a status`. */
  readonly summary: string;
  readonly description?: string;
  /**
   * The fields beside the path's: a POST's body, and any other method's query. Default: none. Ignored where the body is
   * the workflow's data itself.
   */
  readonly input?: () => z.ZodObject;
  /** The request must have a body. Default: a body that is left out counts as `{}`. */
  readonly bodyRequired?: true;
  /** An example of the body for the OpenAPI document. A function makes the example from a workflow's statuses. */
  readonly example?: object | ((statuses: readonly string[]) => object);
  /** The HTTP statuses of success, with their descriptions. */
  readonly answers: Readonly<Record<number, string>>;
  /** Finds the HTTP status of a result among `answers`. Default: the only one. */
  status?(out: Out): number;
  /** Finds the id of the order for the `Location` header. Default: no such header. */
  located?(out: Out): string;
  /** How the result is shown. Undefined: the response has no body. */
  readonly shown: Shown<Out> | undefined;
  /** The codes with which the operation may be refused. */
  readonly errors: readonly ErrorCode[];
  readonly command: CommandWords | null;
  /**
   * Makes the fields of the operation's `operator action` line. `out` is undefined if the operation was refused. Default:
   * `orderId`, and `status` if the input has one.
   */
  logFields?(input: Input, out: Out | undefined): object;
  run(engine: Engine, input: Input, call: Call): Promise<Out | Refusal>;
}

/** A schema of the OpenAPI document. */
export interface Shape {
  /** The schema's name in the document. Without a name the schema is written where it is used. */
  readonly name?: string;
  readonly schema: () => z.ZodType;
}

/** How a result is shown. */
export interface Shown<Out> {
  /** The result's schema in the OpenAPI document. `Order` and `OrderPage` mean the workflow's own schemas. */
  readonly shape: Shape | "Order" | "OrderPage";
  /** Makes the plain value that the library returns. */
  value(out: Out, workflow: string): unknown;
  /** Makes the function that writes the JSON text of a response; called once for each workflow. */
  writer(workflow: string): (out: Out) => string;
}

/** The texts of an operation's command. */
interface CommandWords {
  /** Default: the operation's name. */
  readonly name?: string;
  /** One sentence that begins with a verb. */
  readonly says: string;
  /** The fields that are arguments, after the path's. Default: none; every other field is a flag. */
  readonly arguments?: readonly string[];
  /** Examples, without `cauce` before them. */
  readonly examples: readonly string[];
}

/** Declares an operation. The declaration is typed by its input and result; a list of operations knows neither. */
export function operation<Input, Out>(
  name: string,
  wire: Wire,
  declared: Omit<Operation<Input, Out>, "name" | keyof Wire>,
): Operation {
  return { name, ...wire, ...declared } as unknown as Operation;
}

/** The codes of any operation, when the store or the server is not well. */
export const unwell = [
  "internal_error",
  "store_unavailable",
  "store_unreadable",
  "store_corrupt",
  "closed",
] as const satisfies readonly ErrorCode[];
/** The codes of an operation that writes, when the store is not well. */
export const unwritable = ["store_full", ...unwell] as const;
/** The codes of a body that cannot be read. */
export const badBody = [
  "invalid_json",
  "body_too_large",
  "unsupported_media_type",
  "request_timed_out",
] as const satisfies readonly ErrorCode[];
