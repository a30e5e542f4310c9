import type { Actor, Order } from "../../core/order.ts";
import type { Stored } from "../../http/client/index.ts";
import { oneLine } from "../report.ts";
import type { Followed, Kinds } from "./follow.ts";

/** The four proofs, in their order. */
export const proofNames = ["answer", "request", "stored", "processing"] as const;
export type ProofName = (typeof proofNames)[number];

/** A call of what processes orders: the status that it brought the order to, and who it was. */
export interface Step extends Actor {
  readonly from: string;
  readonly to: string;
  /** Why, where somebody or something said so: a person, or attempts that were used up. */
  readonly reason: string | null;
}

export interface Proofs {
  /** What the API answered. */
  readonly answer?: { readonly status: number; readonly orderId: string; readonly requestId: string | null };
  /** The run that took the request. */
  readonly request?: Actor;
  readonly stored?: Stored;
  readonly processing?: readonly Step[];
}

/** Why a proof is missing, on one line. */
export type Missing = { readonly [Name in ProofName]?: string | undefined };

/** The API's answer to a placing, and the run that gave it: the history's first entry. */
export function placingProofs(order: Order, placed: boolean): Pick<Proofs, "answer" | "request"> {
  const by = order.history[0]?.by;
  return {
    answer: { status: placed ? 202 : 200, orderId: order.id, requestId: by?.requestId ?? null },
    ...(by === undefined ? {} : { request: by }),
  };
}

/** Every move of the order after its placing. */
export function stepsOf({ history }: Order): Step[] {
  return history.slice(1).map(({ status, reason, by }, index) => ({
    ...{ from: history[index]?.status ?? "", to: status, reason },
    ...by,
  }));
}

/** A function's run has an id of its own; a process of Node has none, and its name is what there is. */
export function requestMissing({ runtime, name, requestId }: Actor): string | undefined {
  if (name === "") return "the history does not name who placed the order";
  return runtime === "lambda" && requestId === null ? `the history names no run of ${name}` : undefined;
}

/** What the moves lack. Handlers on DynamoDB are woken by messages of SQS, which have ids; in a process they have none. */
export function processingMissing(
  steps: readonly Step[],
  kinds: Kinds,
  store: Stored["store"] | undefined,
  { order, why, end }: Followed,
): string | undefined {
  if (why !== "") return why;
  // A person, the API or the sweep moves an order out of a status that waits.
  const handled = steps.filter(({ from }) => kinds.get(from) === "handled");
  // Whoever asked for the status that `exhausted` leads to meant it.
  const gaveUp = end === "reached" ? undefined : handled.find(({ reason }) => reason?.startsWith("exhausted: "));
  if (gaveUp !== undefined) {
    const { from, to, reason } = gaveUp;
    return `the handler of "${from}" did not move the order ${order.id}, which went to "${to}": ${oneLine(String(reason))}`;
  }
  if (handled.length === 0) return `no handler has moved the order ${order.id}, which stands in "${order.status}"`;
  for (const { from, to, runtime, name, requestId, messageId } of handled) {
    const lacks =
      store === "dynamodb" && messageId === null
        ? "the queue's message"
        : runtime === "lambda" && requestId === null
          ? `the run of ${name}`
          : undefined;
    if (lacks !== undefined) return `the history does not name ${lacks} that moved the order from "${from}" to "${to}"`;
  }
  return undefined;
}
