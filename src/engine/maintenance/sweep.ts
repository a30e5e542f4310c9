import { applyOutcome, type EngineContext } from "../context.ts";
import type { Chore } from "./maintenance.ts";

const pageSize = 200;

/**
 * Moves the orders whose wait has expired, and lets the backend queue lost deliveries again. The AWS backend counts
 * orders within its own `sweep`, which reads every open one (docs/decisions/0015).
 */
export function createSweep(context: EngineContext): Chore {
  const { backend } = context;
  return {
    name: "sweep",
    startWaits: true,
    failed: "sweep failed",
    retrySeconds: 5,
    async run({ goOn }) {
      let done = 0;
      let dueAt = Number.POSITIVE_INFINITY;
      const errors: unknown[] = [];
      try {
        let cursor: string | undefined;
        do {
          const { expired, redelivered, failed, nextCursor, nextAt } = await backend.sweep({ limit: pageSize, cursor });
          done += redelivered;
          errors.push(...failed);
          if (!goOn()) break;
          // An order that cannot be moved must not keep the orders behind it waiting.
          const transitions = expired.map((order) => applyOutcome(context, order, { kind: "expired" }));
          for (const transition of await Promise.allSettled(transitions)) {
            if (transition.status === "fulfilled") done++;
            else errors.push(transition.reason);
          }
          dueAt = Math.min(dueAt, nextAt ?? dueAt);
          cursor = nextCursor ?? undefined;
        } while (cursor !== undefined && goOn());
      } catch (error) {
        errors.push(error);
      }
      const nextAt = dueAt === Number.POSITIVE_INFINITY ? null : dueAt;
      return { done, nextAt, againSeconds: backend.limits.sweepSeconds, errors };
    },
  };
}
