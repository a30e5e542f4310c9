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
 * Throws what speaks against a deployment: `orders_stranded` where orders stand in statuses that the definition lacks, or
 * are open in the other delivery, `queue_in_use` where a queue that the plan lacks, a dead-letter queue among them, holds
 * messages.
 */
export function refuseDeployment(workflow: AnyWorkflow, topology: Topology, { depths, queues }: Deployed): void {
  try {
    refuseStranded(workflow, depths, "refuse");
  } catch (cause) {
    throw new CauceError("orders_stranded", `${(cause as Error).message}; ${anyway}`, { cause });
  }
  refuseOtherDelivery(workflow, topology, depths, queues);
  const { unrouted } = topology;
  const kept = new Set([...topology.queues.flatMap(({ name, deadLetters }) => [name, deadLetters]), unrouted.name]);
  const lost = queues.filter(({ name, messages }) => messages > 0 && !kept.has(name));
  if (lost.length === 0) return;
  throw new CauceError(
    "queue_in_use",
    `workflow "${workflow.name}": the deployment would delete ${lost.map(({ name, messages }) => `${name} with ${messages} ${messages === 1 ? "message" : "messages"}`).join(", ")}; let them be worked off first, redrive or purge dead letters; ${anyway}`,
  );
}

/** Queues of the other delivery go with their messages, whatever SQS counts in them, and with them the groups' order. */
function refuseOtherDelivery(
  workflow: AnyWorkflow,
  { delivery }: Topology,
  depths: Deployed["depths"],
  queues: Deployed["queues"],
): void {
  const open = depths.reduce((sum, { waiting, inFlight, delayed }) => sum + waiting + inFlight + delayed, 0);
  const [first] = queues;
  const deployed = first?.name.endsWith(".fifo") === true ? "fifo" : "standard";
  if (first === undefined || open === 0 || deployed === delivery) return;
  throw new CauceError(
    "orders_stranded",
    `workflow "${workflow.name}" is deployed in ${deployed} delivery, and ${open} ${open === 1 ? "order is" : "orders are"} open: their messages would go with the queues; give --delivery ${deployed}, or let the orders end first; ${anyway}`,
  );
}
