import type { DeliveryMode } from "../backend/port.ts";
import { CauceError } from "../core/errors.ts";
import { formatKeyLine, parseKeys } from "../http/auth.ts";
import type { FunctionPlan, FunctionRole, PodPlan, PodRole } from "./topology.ts";

/** What a process calls: the table, its index, the topic, the queues of the statuses that it serves, or all queues. */
export type GrantTarget = "table" | "index" | "topic" | "queues" | "allQueues";

interface Grant {
  readonly target: GrantTarget;
  readonly actions: readonly string[];
}

// Each action is one that the code asks for. test/deploy/permissions.test.ts runs all of it, and fails for an action too
// few or too many.
const written = ["dynamodb:BatchGetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"];
const table: Grant = { target: "table", actions: written };
/** A removal and the sweep look for the large fields of an order. */
const tableAndLargeFields: Grant = { target: "table", actions: [...written, "dynamodb:Query"] };
const index: Grant = { target: "index", actions: ["dynamodb:Query"] };
const topic: Grant = { target: "topic", actions: ["sns:Publish"] };
const queues = (...actions: string[]): Grant => ({ target: "queues", actions });

const received = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"];
/** Pods look for the queues by name, and for the topic by a queue's ARN. */
const found = ["sqs:GetQueueUrl", "sqs:GetQueueAttributes"];

const comesAgainAt = "sqs:ChangeMessageVisibility";
/**
 * A message that comes again may find that its order has moved on to any status and is not queued there. A retry of a
 * standard queue is a new message, too.
 */
const allQueues: Grant = { target: "allQueues", actions: ["sqs:SendMessage"] };

/** What a function or pod may do, and nothing else. */
export function grantsOf(
  { role, publishes }: Pick<FunctionPlan | PodPlan, "role" | "publishes">,
  delivery: DeliveryMode,
): readonly Grant[] {
  const grants: Readonly<Record<FunctionRole | PodRole, readonly Grant[]>> = {
    request: [tableAndLargeFields, index, topic, queues("sqs:GetQueueAttributes")],
    // A function gives a message that it has no time to begin back at once, on any queue.
    processing: [table, topic, queues(...received, comesAgainAt), allQueues],
    sweep: [tableAndLargeFields, index, topic, allQueues],
    api: [tableAndLargeFields, index, topic, queues(...found)],
    work: [
      ...[table, index, topic, allQueues],
      queues(...received, "sqs:GetQueueUrl", ...(delivery === "fifo" ? [comesAgainAt] : [])),
    ],
    sweeper: [tableAndLargeFields, index, topic, queues(...found), allQueues],
  };
  return grants[role].filter(({ target }) => publishes || target !== "topic");
}

/** Who may call: clients with a key of these lines (`cauce keys create`), or, with `public`, everyone. */
export type ApiKeys = { readonly keys: string } | "public";

/** A standard parameter and a function's environment hold 4 KB each, and the environment holds more than the keys. */
const keysBytesMax = 3_500;

/**
 * Gives the keys as they are stored: hashes, one key a line, no comments. Throws `keys_invalid` for a text that is no
 * keys file, and for more keys than a function's environment holds.
 */
export function storedKeys(text: string, where: string): string {
  const lines = parseKeys(text, where).keys.map(formatKeyLine).join("\n");
  const bytes = Buffer.byteLength(lines);
  if (bytes <= keysBytesMax) return lines;
  throw new CauceError(
    "keys_invalid",
    `${where}: its keys take ${bytes} bytes and a function's environment leaves them ${keysBytesMax}, about 45 keys; take out unused keys, or give clients of one kind the same key`,
  );
}
