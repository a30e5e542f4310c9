import type { Backend, Depth } from "../backend/backend.ts";
import type { Log } from "../core/handlers.ts";
import { type AnyWorkflow, kindOf, type StatusDefinition, statusOf } from "../core/workflow.ts";
import type { Engine } from "./engine.ts";

interface StandingOptions {
  readonly workflow: AnyWorkflow;
  readonly backend: Backend;
  readonly log: Log;
}

const none = { waiting: 0, inFlight: 0, delayed: 0, failed: 0, oldestWaitingAt: null, paused: false, atLeast: false };

/** Where orders stand, status by status, and whether a status is let go on. */
export function createStanding({ workflow, backend, log }: StandingOptions): Pick<Engine, "queues" | "setPaused"> {
  const queues = async (): Promise<Depth[]> => {
    const { depths } = await backend.counts({ depths: true });
    const rows = Object.entries(workflow.statuses as Record<string, StatusDefinition>)
      .filter(([, status]) => kindOf(status) !== "final")
      .map(([status, definition]): Depth => {
        const kind = kindOf(definition) as Depth["kind"];
        return depths.find((row) => row.status === status && row.kind === kind) ?? { status, kind, ...none };
      });
    return [
      ...rows,
      ...depths.filter((depth) => !rows.some((row) => row.status === depth.status && row.kind === depth.kind)),
    ];
  };

  return {
    queues,

    async setPaused(status, paused) {
      const definition = statusOf(workflow, status);
      const row = async () => (await queues()).find((each) => each.status === status && each.kind === "handled");
      // A pause outlives its status: what the workflow no longer knows is let go on all the same.
      const isLeft = async () => !paused && (await row())?.paused === true;
      if (definition === undefined && !(await isLeft())) {
        return { refused: "status_not_found", message: `workflow "${workflow.name}" has no status "${status}"` };
      }
      if (definition !== undefined && kindOf(definition) !== "handled" && !(await isLeft())) {
        const message = `"${status}" has no handler, so nothing of it is delivered that could be paused`;
        return { refused: "status_not_handled", message };
      }
      await backend.keep({ is: "paused", status, paused });
      log.info({ status }, paused ? "status paused" : "status resumed");
      return (await row()) ?? { status, kind: "handled", ...none };
    },
  };
}
