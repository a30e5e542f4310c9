import { CauceError } from "../../core/errors.ts";
import type { AnyWorkflow } from "../../core/workflow.ts";
import { refuseStranded, type StandingOrders } from "../../engine/stranded.ts";
import type { Topology } from "../../infra/topology.ts";

/** What an account holds of one workflow in one stage. */
export interface Deployed {
  readonly depths: readonly StandingOrders[];
  readonly queues: readonly DeployedQueue[];
}

export interface DeployedQueue {
  readonly name: string;
  /** Waiting, in flight and delayed; SQS counts roughly. */
  readonly messages: number;
}

const anyway = "--force deploys all the same";

/**
 * Throws what speaks against a deployment: `orders_stranded` where orders stand in statuses that the definition lacks,
 * `queue_in_use` where a queue that the plan lacks, a dead-letter queue among them, holds messages.
 */
export function refuseDeployment(workflow: AnyWorkflow, topology: Topology, { depths, queues }: Deployed): void {
  try {
    refuseStranded(workflow, depths, "refuse");
  } catch (cause) {
    throw new CauceError("orders_stranded", `${(cause as Error).message}; ${anyway}`, { cause });
  }
  const { unrouted } = topology;
  const kept = new Set([...topology.queues.flatMap(({ name, deadLetters }) => [name, deadLetters]), unrouted.name]);
  const lost = queues.filter(({ name, messages }) => messages > 0 && !kept.has(name));
  if (lost.length === 0) return;
  throw new CauceError(
    "queue_in_use",
    `workflow "${workflow.name}": the deployment would delete ${lost.map(({ name, messages }) => `${name} with ${messages} ${messages === 1 ? "message" : "messages"}`).join(", ")}; let them be worked off first, redrive or purge dead letters; ${anyway}`,
  );
}
