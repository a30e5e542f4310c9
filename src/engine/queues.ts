import type { Depth } from "../backend/port.ts";
import { CauceError } from "../core/errors.ts";
import { type AnyWorkflow, kindOf, statusesOf, statusOf } from "../core/workflow.ts";
import { applyOutcome, type EngineContext } from "./context.ts";
import type { Engine } from "./engine.ts";

const none = { waiting: 0, inFlight: 0, delayed: 0, failed: 0, oldestWaitingAt: null, paused: false, atLeast: false };

/** Makes what tells the depths of the statuses, and what pauses and resumes a status. */
export function createQueues({ workflow, backend, log }: EngineContext): Pick<Engine, "queues" | "setPaused"> {
  const queues = async (): Promise<Depth[]> => {
    const { depths } = await backend.counts({ depths: true });
    const rows = statusesOf(workflow).flatMap(([status, definition]): Depth[] => {
      const kind = kindOf(definition);
      if (kind === "final") return [];
      return [depths.find((row) => row.status === status && row.kind === kind) ?? { status, kind, ...none }];
    });
    return [...rows, ...depths.filter((depth) => !rows.includes(depth))];
  };

  return {
    queues,

    async setPaused(status, paused) {
      const definition = statusOf(workflow, status);
      const row = async () => (await queues()).find((each) => each.status === status && each.kind === "handled");
      const isHandled = definition !== undefined && kindOf(definition) === "handled";
      // A pause outlives its status, so a status that is no longer known or handled can still be resumed.
      if (!isHandled && (paused || !(await row())?.paused)) {
        if (definition === undefined) {
          return { refused: "status_not_found", message: `workflow "${workflow.name}" has no status "${status}"` };
        }
        const message = `"${status}" has no handler, so nothing of it is delivered that could be paused`;
        return { refused: "status_not_handled", message };
      }
      await backend.keep({ is: "paused", status, paused });
      log.info({ status }, paused ? "status paused" : "status resumed");
      return (await row()) ?? { status, kind: "handled", ...none };
    },
  };
}

/** The counts of a depth that tell whether orders stand in its status. */
export type OpenOrders = Pick<Depth, "status" | "kind" | "waiting" | "inFlight" | "delayed" | "atLeast">;

/**
 * Finds orders that no handler and no call would reach, since the definition changed. Returns their unknown statuses,
 * where `unknown` is `fail`. Throws `orders_stranded` for all others.
 */
export function refuseStranded(
  workflow: AnyWorkflow,
  depths: readonly OpenOrders[],
  unknown: "refuse" | "fail",
): string[] {
  const stranded: string[] = [];
  const faults: string[] = [];
  const fixes = new Set<string>();
  for (const depth of depths) {
    const live = depth.waiting + depth.inFlight + depth.delayed;
    if (live <= 0) continue;
    const status = statusOf(workflow, depth.status);
    const count = `${live}${depth.atLeast ? " or more" : ""} ${live === 1 ? "order stands" : "orders stand"}`;
    if (status === undefined) {
      if (!stranded.includes(depth.status)) stranded.push(depth.status);
      if (unknown === "fail") continue;
      faults.push(`${count} in "${depth.status}", which the definition no longer has`);
      fixes.add(
        'put the status back with retired: true until it is empty, or start with --unknown-statuses fail (in the library unknownStatuses: "fail"), which marks those orders failed',
      );
    } else if (kindOf(status) !== depth.kind) {
      faults.push(`${count} in "${depth.status}", which was ${depth.kind} and is ${kindOf(status)} now`);
      fixes.add("give the status its old kind until it is empty, and what is new another name");
    }
  }
  if (faults.length > 0) {
    throw new CauceError("orders_stranded", `workflow "${workflow.name}": ${[...faults, ...fixes].join("; ")}`);
  }
  return stranded;
}

/** Marks every open order of these statuses failed, with `unknown_status`. */
export async function failUnknown(
  context: EngineContext,
  statuses: readonly string[],
  stopping: AbortSignal,
): Promise<void> {
  const { backend, log } = context;
  for (const status of statuses) {
    let cursor: string | undefined;
    let marked = 0;
    do {
      const page = await backend.list({ status, failed: false, limit: 500, cursor });
      const live = page.items.filter((order) => order.kind !== "final");
      await Promise.all(live.map((order) => applyOutcome(context, order, { kind: "unknown" })));
      marked += live.length;
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined && !stopping.aborted);
    log.error({ status, marked }, "orders marked failed: their status is not in the workflow");
  }
}
