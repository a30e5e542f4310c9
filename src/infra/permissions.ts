import type { DeliveryMode } from "../backend/backend.ts";
import type { FunctionRole, PodRole } from "./topology.ts";

/** What a process's calls go to: the table, its index, the topic, or the queues of some statuses. */
export type Target = "table" | "index" | "topic" | "queues";

export interface Grant {
  readonly target: Target;
  readonly actions: readonly string[];
}

// Each action is one that the code asks for; test/infra/permissions.test.ts runs all of it, and fails for an action too
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

const grants: Readonly<Record<FunctionRole | PodRole, (putOff: readonly string[]) => readonly Grant[]>> = {
  request: () => [tableAndParts, index, topic, queues("sqs:GetQueueAttributes")],
  processing: (putOff) => [table, topic, queues(...received, ...putOff)],
  sweep: () => [tableAndParts, index, topic, queues("sqs:SendMessage")],
  api: () => [tableAndParts, index, topic, queues(...found)],
  work: (putOff) => [table, index, topic, queues(...received, "sqs:GetQueueUrl", ...putOff)],
  sweeper: () => [tableAndParts, index, topic, queues(...found, "sqs:SendMessage")],
};

/** What the function or pod may do, and nothing else. A FIFO queue puts off the message itself, a standard one a new one. */
export function grantsOf(role: FunctionRole | PodRole, delivery: DeliveryMode): readonly Grant[] {
  const putOff = ["sqs:ChangeMessageVisibility", ...(delivery === "fifo" ? [] : ["sqs:SendMessage"])];
  return grants[role](putOff);
}
