import { wire } from "../../api/orders.ts";
import type { Queue } from "../../api/types.ts";
import type { Address } from "./address.ts";
import { ClientError } from "./clientError.ts";
import type { Connection } from "./connection.ts";

/** What an operation answers for every workflow of a server: a row for each, with the result under the operation's name. */
export interface AllWorkflows<Row extends { readonly workflow: string } = { readonly workflow: string }> {
  readonly workflows: readonly Row[];
}

export interface WorkflowQueues {
  readonly workflow: string;
  readonly queues: readonly Queue[];
}

/** The queues of every workflow that a server serves. */
export async function readQueues(connection: Connection, serverUrl: string): Promise<readonly WorkflowQueues[]> {
  const { method, path, repeat } = wire.queues;
  const { json } = await connection.send({ method, url: serverUrl + path, repeat });
  return (json as AllWorkflows<WorkflowQueues>).workflows;
}

/** The row of one workflow. Throws `workflow_not_found`. */
export function rowOf<Row extends { readonly workflow: string }>(
  { workflows }: AllWorkflows<Row>,
  { workflow, serverUrl }: Pick<Address, "workflow" | "serverUrl">,
): Row {
  const own = workflows.find((one) => one.workflow === workflow);
  if (own !== undefined) return own;
  const names = workflows.map((one) => one.workflow).join(", ");
  throw new ClientError("workflow_not_found", `no workflow "${workflow}" is served at ${serverUrl}; there is ${names}`);
}
