import type { Operation } from "../../api/operation.ts";
import type { Output } from "../report.ts";

/** One run of a command. */
export interface CommandCall {
  readonly operation: Operation;
  /** The arguments as they were typed. */
  readonly values: readonly (string | undefined)[];
  /** The fields that were given, as the operation takes them. */
  readonly input: Readonly<Record<string, unknown>>;
  /** Every flag, by its name in camelCase. */
  readonly flags: Readonly<Record<string, string | boolean>>;
  readonly output: Output;
}
