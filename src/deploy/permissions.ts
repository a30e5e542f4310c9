import type { DeliveryMode } from "../backend/port.ts";
import type { FunctionRole, PodRole } from "./topology.ts";

/** What a process's calls go to: the table, its index, the topic, the queues of the statuses it serves, or all queues. */
export type Target = "table" | "index" | "topic" | "queues" | "allQueues";

export interface Grant {
  readonly target: Target;
  readonly actions: readonly string[];
}

// Each action is one that the code asks for; test/deploy/permissions.test.ts runs all of it, and fails for an action too
// few or too many.
const written = ["dynamodb:BatchGetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"];
const table: Grant = { target: "table", actions: written };
/** A removal and the sweep look for an order's parts. */
const tableAndParts: Grant = { target: "table", actions: [...written, "dynamodb:Query"] };
const index: Grant = { target: "index", actions: ["dynamodb:Query"] };
const topic: Grant = { target: "topic", actions: ["sns:Publish"] };
const queues = (...actions: string[]): Grant => ({ target: "queues", actions });

const received = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"];
/** Pods look for the queues by name, and for the topic by a queue's ARN. */
const found = ["sqs:GetQueueUrl", "sqs:GetQueueAttributes"];

const comesAgainAt = "sqs:ChangeMessageVisibility";
/**
 * A message that comes again may find its order moved on and not queued, wherever it stands now; a standard queue's
 * retry is a new message besides.
 */
const allQueues: Grant = { target: "allQueues", actions: ["sqs:SendMessage"] };

export interface Granted {
  readonly role: FunctionRole | PodRole;
  /** Whether what it does may bring an order into a handled status. */
  readonly publishes: boolean;
}

/** What the function or pod may do, and nothing else. */
export function grantsOf({ role, publishes }: Granted, delivery: DeliveryMode): readonly Grant[] {
  const grants: Readonly<Record<FunctionRole | PodRole, readonly Grant[]>> = {
    request: [tableAndParts, index, topic, queues("sqs:GetQueueAttributes")],
    // What a function has no time to begin goes back at once, on any queue.
    processing: [table, topic, queues(...received, comesAgainAt), allQueues],
    sweep: [tableAndParts, index, topic, allQueues],
    api: [tableAndParts, index, topic, queues(...found)],
    work: [
      ...[table, index, topic, allQueues],
      queues(...received, "sqs:GetQueueUrl", ...(delivery === "fifo" ? [comesAgainAt] : [])),
    ],
    sweeper: [tableAndParts, index, topic, queues(...found), allQueues],
  };
  return grants[role].filter(({ target }) => publishes || target !== "topic");
}
