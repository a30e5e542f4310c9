import type { FunctionPlan, FunctionRole } from "./topology.ts";

/** What a function's calls go to: the table, its index, the topic, or the queues of some statuses. */
export type Target = "table" | "index" | "topic" | "queues";

export interface Grant {
  readonly target: Target;
  readonly actions: readonly string[];
}

// Each action is one that the code of the function asks for; a test runs all of it against the policies, and fails for
// an action too few or too many.
const written = ["dynamodb:BatchGetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"];
const grants: Readonly<Record<FunctionRole, readonly Grant[]>> = {
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
};

/** What the function may do, and nothing else. */
export function grantsOf({ role }: Pick<FunctionPlan, "role">): readonly Grant[] {
  return grants[role];
}
