import type { Connection, Sent } from "./connection.ts";
import type { Queue } from "./types.ts";

export interface WorkflowQueues {
  readonly workflow: string;
  readonly queues: readonly Queue[];
}

/** The queues of every workflow that a server serves. */
export async function readQueues(
  connection: Connection,
  serverUrl: string,
  given: Pick<Sent, "signal" | "headers"> = {},
): Promise<readonly WorkflowQueues[]> {
  const { json } = await connection.send({ method: "GET", url: `${serverUrl}/queues`, ...given, repeat: "always" });
  return (json as { workflows: readonly WorkflowQueues[] }).workflows;
}
