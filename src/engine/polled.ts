import { CauceError } from "../core/errors.ts";
import { type AnyWorkflow, handledStatuses, statusOf } from "../core/workflow.ts";
import type { StartOptions } from "./engine.ts";

/**
 * Which statuses each workflow is to poll: those of the wanted that it handles, or all. Throws `status_not_found` or
 * `status_not_handled` for a wanted one that none of them handles.
 */
export function polledStatuses(
  workflows: readonly AnyWorkflow[],
  wanted: readonly string[] | undefined,
): readonly (readonly string[])[] {
  const handled = workflows.map(handledStatuses);
  if (wanted === undefined) return handled;
  for (const status of wanted) {
    if (handled.some((statuses) => statuses.includes(status))) continue;
    const known = workflows.some((workflow) => statusOf(workflow, status) !== undefined);
    const names = workflows.map(({ name }) => `"${name}"`).join(", ");
    throw new CauceError(
      known ? "status_not_handled" : "status_not_found",
      `"${status}" is ${known ? "not handled" : "no status"} in ${names}; there is ${[...new Set(handled.flat())].join(", ")}`,
    );
  }
  // Once each: a status that is named twice is not polled twice.
  return handled.map((statuses) => statuses.filter((status) => wanted.includes(status)));
}

/** For users of plain JavaScript: a misspelt option would poll everything. Throws `setting_invalid`. */
export function checkStartOptions(options: StartOptions): void {
  const { statuses, sweeps = true, ...others } = options;
  for (const key of Object.keys(others)) {
    throw new CauceError("setting_invalid", `start: there is no option "${key}"; it takes statuses, sweeps`);
  }
  if (statuses !== undefined && !Array.isArray(statuses)) {
    throw new CauceError("setting_invalid", "start: statuses must be an array of names, or be left out");
  }
  if (typeof sweeps !== "boolean") throw new CauceError("setting_invalid", "start: sweeps must be true or false");
}
