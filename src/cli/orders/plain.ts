import { wire } from "../../api/orders.ts";
import type { CommandCall } from "./call.ts";
import { jsonLine } from "./format.ts";
import { clientOf, keyOf } from "./remote.ts";

/** Runs an operation that has no drawing of its own, and prints what came of it as JSON. */
export async function plainly({ operation, input, flags, output }: CommandCall): Promise<void> {
  const client = await clientOf(flags, { ...wire, [operation.name]: operation });
  const result = await client.call(operation.name, input, keyOf(flags));
  output.out(jsonLine(result ?? null));
}
