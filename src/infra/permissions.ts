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
const grants: Readonly<Record<FunctionRole | PodRole, readonly Grant[]>> = {
  request: [
    { target: "table", actions: [...written, "dynamodb:Query"] },
    { target: "index", actions: ["dynamodb:Query"] },
    { target: "topic", actions: ["sns:Publish"] },
    { target: "queues", actions: ["sqs:GetQueueAttributes"] },
  ],
  processing: [
    { target: "table", actions: written },
    { target: "topic", actions: ["sns:Publish"] },
    {
      target: "queues",
      actions: [
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        "sqs:SendMessage",
        "sqs:ChangeMessageVisibility",
      ],
    },
  ],
  sweep: [
    { target: "table", actions: [...written, "dynamodb:Query"] },
    { target: "index", actions: ["dynamodb:Query"] },
    { target: "topic", actions: ["sns:Publish"] },
    { target: "queues", actions: ["sqs:SendMessage"] },
  ],
  // Pods look for the queues by name, and for the topic by a queue's ARN.
  api: [
    { target: "table", actions: [...written, "dynamodb:Query"] },
    { target: "index", actions: ["dynamodb:Query"] },
    { target: "topic", actions: ["sns:Publish"] },
    { target: "queues", actions: ["sqs:GetQueueAttributes", "sqs:GetQueueUrl"] },
  ],
  work: [
    { target: "table", actions: written },
    { target: "index", actions: ["dynamodb:Query"] },
    { target: "topic", actions: ["sns:Publish"] },
    {
      target: "queues",
      actions: [
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        "sqs:GetQueueUrl",
        "sqs:SendMessage",
        "sqs:ChangeMessageVisibility",
      ],
    },
  ],
  sweeper: [
    { target: "table", actions: [...written, "dynamodb:Query"] },
    { target: "index", actions: ["dynamodb:Query"] },
    { target: "topic", actions: ["sns:Publish"] },
    { target: "queues", actions: ["sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:SendMessage"] },
  ],
};

/** What the function or pod may do, and nothing else. */
export function grantsOf({ role }: { readonly role: FunctionRole | PodRole }): readonly Grant[] {
  return grants[role];
}
