import { z } from "zod";
import { type AnyHandler, type App, implement } from "../../src/core/handlers.ts";
import { defineWorkflow, final, type Order, PermanentError, RetryError } from "../../src/index.ts";

const data = z.object({
  /** The name by which the tests know the order. */
  label: z.string(),
  customer: z.string().optional(),
  /** What each handler did when the fixtures were made, attempt by attempt: see `asPlanned`. */
  plan: z.record(z.string(), z.array(z.string())).optional(),
  note: z.string().optional(),
});

export type Parcel = z.input<typeof data>;

/** Statuses of every kind, of which two lead to each other. */
const statuses = {
  received: {
    to: ["packed", "asked", "held", "turning", "fragile", "weighed", "sent"],
    timeoutSeconds: 1,
    retry: { attempts: 3, baseSeconds: 60, maxSeconds: 60 },
  },
  packed: { to: ["sent"], timeoutSeconds: 1 },
  asked: { to: ["packed", "sent"], waits: true, expires: { afterSeconds: 86_400, to: "dropped" } },
  held: { to: ["sent"], waits: true },
  turning: { to: ["returning", "packed", "sent"], timeoutSeconds: 1 },
  returning: { to: ["turning", "packed", "sent"], timeoutSeconds: 1 },
  fragile: { to: ["sent"], timeoutSeconds: 1, retry: { attempts: 1 }, exhausted: "dropped" },
  weighed: { to: ["sent"], timeoutSeconds: 1, concurrency: 2, retry: { attempts: 5 } },
  sent: final,
  dropped: final,
} as const;

const options = { name: "parcels", data, group: ({ customer }: Parcel) => customer, initial: "received" } as const;

const parcels = defineWorkflow({ ...options, statuses });

/** An older definition, with the status "lost". */
const withLost = defineWorkflow({
  ...options,
  statuses: {
    ...statuses,
    received: { ...statuses.received, to: [...statuses.received.to, "lost"] },
    lost: { to: ["sent"], timeoutSeconds: 1 },
  },
});

type Handler = (order: Order, context: { readonly attempt: number }) => unknown;

export function appOf(handler: Handler, { lost = false } = {}): App {
  const workflow = lost ? withLost : parcels;
  const handled = Object.entries(workflow.statuses).filter(([, each]) => !("final" in each || "waits" in each));
  const handlers = Object.fromEntries(handled.map(([status]) => [status, handler as AnyHandler]));
  return implement(workflow, { handlers } as never) as unknown as App;
}

/**
 * Makes a handler that follows the order's plan for its status and attempt. The last step of a plan holds for all later
 * attempts. Steps are `to sent`, `to sent large` (with large results), `retry 60`, `throw …`, `stop …`, `hang` and
 * `turn 55 sent` (goes there after 55 visits).
 */
export function asPlanned(hang: () => Promise<never>): Handler {
  return ({ id, data, status, visit }, { attempt }) => {
    const words = (data as Parcel).plan?.[status] ?? [];
    const [verb = "to", ...rest] = (words[attempt - 1] ?? words.at(-1) ?? "to sent").split(" ");
    const text = rest.join(" ");
    if (verb === "hang") return hang();
    if (verb === "throw") throw new Error(`${text} ${id}`);
    if (verb === "stop") throw new PermanentError(`${text} ${id}`);
    if (verb === "retry") throw new RetryError({ delaySeconds: Number(text), message: `not yet, ${id}` });
    const [first = "", second] = rest;
    if (verb === "turn") return visit >= Number(first) ? second : status === "turning" ? "returning" : "turning";
    const results = { [status]: { visit, text: second === "large" ? "größer".repeat(200) : "klein" } };
    return { to: first, results };
  };
}
