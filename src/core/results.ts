import type { DecideContext } from "./change.ts";
import type { Fault } from "./errors.ts";
import type { StoredOrder } from "./order.ts";
import { exceedsBytes } from "./order.ts";
import { faultsOf } from "./workflow.ts";

/** Merges results into the order's, key by key, and checks them against the workflow's schema. */
export function mergeResults(
  order: StoredOrder,
  results: object | undefined,
  { workflow, resultsBytesMax = Number.POSITIVE_INFINITY }: DecideContext,
): { resultsJson: string } | { faults: Fault[] } {
  if (results === undefined) return { resultsJson: order.resultsJson };
  if (!isPlainObject(results))
    return { faults: [{ path: "", message: "results must be an object of plain keys and values" }] };
  let resultsJson: string;
  try {
    let merged: unknown = { ...JSON.parse(order.resultsJson), ...withoutUndefined(results) };
    if (workflow.results !== undefined) {
      const parsed = workflow.results.safeParse(merged);
      if (!parsed.success) return { faults: faultsOf(parsed.error) };
      merged = parsed.data;
    }
    resultsJson = JSON.stringify(merged);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return { faults: [{ path: "", message: `results cannot be taken: ${reason}` }] };
  }
  if (!resultsJson?.startsWith("{")) return { faults: [{ path: "", message: "results must be an object as JSON" }] };
  if (exceedsBytes(resultsJson, resultsBytesMax)) {
    return {
      faults: [{ path: "", message: `results take more than the ${resultsBytesMax} bytes that the store holds` }],
    };
  }
  return { resultsJson };
}

/** Leaves undefined values out, so that none replaces an earlier result. */
function withoutUndefined(results: object): object {
  if (!Object.values(results).includes(undefined)) return results;
  return Object.fromEntries(Object.entries(results).filter(([, value]) => value !== undefined));
}

function isPlainObject(value: unknown): value is object {
  if (value === null || typeof value !== "object") return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

export function describeFaults(status: string, faults: readonly Fault[]): string {
  const [first] = faults;
  return `results given in "${status}" do not fit the schema: ${first?.path ? `${first.path}: ` : ""}${first?.message}`;
}
