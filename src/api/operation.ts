import type { z } from "zod";
import type { ErrorCode } from "../core/errors.ts";
import type { Call, Engine, Refusal } from "../engine/engine.ts";
import type { Wire } from "./orders.ts";

/**
 * One thing that can be done to a workflow's orders. Its route, its entry in the API's description, the client's request,
 * the library's call and the command follow from this.
 */
export interface Operation<Input = never, Out = unknown> extends Wire {
  readonly name: string;
  /** One line, from a verb, without a full stop: `Pause a status`. */
  readonly summary: string;
  readonly description?: string;
  /**
   * The fields beside those of the path: the body of a POST, else the query. Default: none; of no meaning where the body
   * is the workflow's data itself.
   */
  readonly input?: () => z.ZodObject;
  /** A body that has to be sent. Default: a body may be left out and is then empty. */
  readonly bodyRequired?: true;
  /** An example of the body, for the API's description; a function makes it of a workflow's statuses. */
  readonly example?: object | ((statuses: readonly string[]) => object);
  /** What each status of a success says. */
  readonly answers: Readonly<Record<number, string>>;
  /** Which of `answers` a result is. Default: the only one. */
  status?(out: Out): number;
  /** The id of the order that a `Location` header leads to. */
  located?(out: Out): string;
  /** Undefined for an answer without a body. */
  readonly shown: Shown<Out> | undefined;
  /** The codes that it may be refused with. */
  readonly errors: readonly ErrorCode[];
  readonly command: CommandWords | null;
  /**
   * The fields of its line in the log of operators' actions; `out` is undefined where it was refused. Default: `orderId`,
   * and `status` where the input has one.
   */
  logFields?(input: Input, out: Out | undefined): object;
  run(engine: Engine, input: Input, call: Call): Promise<Out | Refusal>;
}

/** A schema of the API's description. */
export interface Shape {
  /** Under which it stands among the description's schemas; without a name it stands where it is used. */
  readonly name?: string;
  readonly schema: () => z.ZodType;
}

/** How a result is shown. */
export interface Shown<Out> {
  /** Its schema in the API's description. `Order` and `OrderPage` stand for the workflow's own. */
  readonly shape: Shape | "Order" | "OrderPage";
  /** As a plain value, which the library gives. */
  value(out: Out, workflow: string): unknown;
  /** As JSON text, which the HTTP API sends; made once for each workflow. */
  writer(workflow: string): (out: Out) => string;
}

/** What the command line says of an operation; null for one that has no command of its own. */
export interface CommandWords {
  /** Default: the operation's name. */
  readonly name?: string;
  /** One sentence, from a verb. */
  readonly says: string;
  /** Fields of the input that are arguments, after those of the path. Default: none, every field is a flag. */
  readonly arguments?: readonly string[];
  /** Without `cauce` before them. */
  readonly examples: readonly string[];
}

/** An operation, typed while it is declared; a list of them knows nothing of their inputs. */
export function operation<Input, Out>(
  name: string,
  wire: Wire,
  declared: Omit<Operation<Input, Out>, "name" | keyof Wire>,
): Operation {
  return { name, ...wire, ...declared } as unknown as Operation;
}

export function isRefusal(result: unknown): result is Refusal {
  return typeof result === "object" && result !== null && "refused" in result;
}

export const unwell = [
  "internal_error",
  "store_unavailable",
  "store_unreadable",
  "store_corrupt",
  "closed",
] as const satisfies readonly ErrorCode[];
/** What an operation that writes may meet. */
export const unwritable = ["store_full", ...unwell] as const;
/** What an operation with a body may be refused with before it is looked at. */
export const badBody = [
  "invalid_json",
  "body_too_large",
  "unsupported_media_type",
  "request_timed_out",
] as const satisfies readonly ErrorCode[];
