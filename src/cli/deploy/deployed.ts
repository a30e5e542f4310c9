import { paginateListQueues } from "@aws-sdk/client-sqs";
import { call, destroyClients, openClients } from "../../backend/aws/clients.ts";
import { countOpenOrders } from "../../backend/aws/index/depths.ts";
import { openQueue } from "../../backend/aws/queue/queue.ts";
import { systemClock } from "../../core/clock.ts";
import { CauceError } from "../../core/errors.ts";
import type { AnyWorkflow } from "../../core/workflow.ts";
import type { Topology } from "../../deploy/topology.ts";
import { type OpenOrders, refuseStranded } from "../../engine/queues.ts";
import { counted } from "../output.ts";

const pageSize = 1_000;

/**
 * Looks whether the environment says which account and Region are meant, as the SDK reads it. A first deployment without
 * them is then refused before anything is bundled. Rejects with `store_denied`, `setting_invalid`.
 */
export async function refuseUnknownAccount(): Promise<void> {
  const clients = openClients();
  try {
    await call("looking for credentials", async () => {
      await clients.sqs.config.region();
      await clients.sqs.config.credentials();
    });
  } finally {
    destroyClients(clients);
  }
}

/** Reads what the account holds of a workflow's stage: nothing before the first deployment. */
export async function readDeployed(workflow: string, stage: string): Promise<Deployed> {
  const [rows, queues] = await Promise.all([
    countOpenOrders(workflow, stage, systemClock()).catch((error: { readonly code?: string }) => {
      if (error.code === "store_missing") return [];
      throw error;
    }),
    readQueues(workflow, stage),
  ]);
  const depths = rows.map(({ status, kind, open, delayed }) => ({
    ...{ status, kind, waiting: open, inFlight: 0, delayed },
    atLeast: false,
  }));
  return { depths, queues };
}

async function readQueues(workflow: string, stage: string): Promise<Deployed["queues"]> {
  const clients = openClients();
  try {
    const urls: string[] = [];
    await call("the queues", async (options) => {
      const pages = paginateListQueues({ client: clients.sqs, pageSize }, { QueueNamePrefix: `${workflow}-` }, options);
      for await (const { QueueUrls = [] } of pages) urls.push(...QueueUrls);
    });
    const names = new Set(urls.map(nameOf));
    return await Promise.all(
      urls
        .filter((url) => isOwn(nameOf(url), names, workflow, stage))
        .map(async (url) => {
          const { waiting, inFlight, delayed } = await openQueue(clients.sqs, url, "standard").counts();
          return { name: nameOf(url), messages: waiting + inFlight + delayed };
        }),
    );
  } finally {
    destroyClients(clients);
  }
}

function nameOf(url: string): string {
  return url.split("/").at(-1) as string;
}

/** Whether a stack made the queue: the queue of a status has its dead letters beside it, and another of such a name has none. */
function isOwn(name: string, names: ReadonlySet<string>, workflow: string, stage: string): boolean {
  // Names of workflows, statuses and stages hold no hyphen.
  const parts = new RegExp(`^${workflow}-([^-]+)(-dead)?-${stage}(\\.fifo)?$`).exec(name);
  const [, status, , suffix = ""] = parts ?? [];
  return status === "unrouted" || names.has(`${workflow}-${status}-dead-${stage}${suffix}`);
}

/** What an account holds of one workflow in one stage. */
interface Deployed {
  readonly depths: readonly OpenOrders[];
  /** The messages are those that wait, are in flight or are delayed; SQS counts roughly. */
  readonly queues: readonly { readonly name: string; readonly messages: number }[];
}

const anyway = "--force deploys all the same";

/**
 * Throws what speaks against a deployment: `orders_stranded` if orders stand in statuses that the definition lacks, or
 * are open in the other delivery; `queue_in_use` if a queue that the plan lacks, dead letters among them, holds messages.
 */
export function refuseDeployment(workflow: AnyWorkflow, topology: Topology, { depths, queues }: Deployed): void {
  try {
    refuseStranded(workflow, depths, "refuse");
  } catch (cause) {
    throw new CauceError("orders_stranded", `${(cause as Error).message}; ${anyway}`, { cause });
  }
  refuseOtherDelivery(workflow, topology, { depths, queues });
  const kept = new Set(topology.queues.flatMap(({ name, deadLetters }) => [name, deadLetters]));
  kept.add(topology.unrouted.name);
  const lost = queues.filter(({ name, messages }) => messages > 0 && !kept.has(name));
  if (lost.length === 0) return;
  throw new CauceError(
    "queue_in_use",
    `workflow "${workflow.name}": the deployment would delete ${lost.map(({ name, messages }) => `${name} with ${counted(messages, "message")}`).join(", ")}; let them be worked off first, redrive or purge dead letters; ${anyway}`,
  );
}

/** Deleting the queues of the other delivery deletes their messages, however many SQS counts, and with them the order of groups. */
function refuseOtherDelivery(workflow: AnyWorkflow, { delivery }: Topology, { depths, queues }: Deployed): void {
  const open = depths.reduce((sum, { waiting, inFlight, delayed }) => sum + waiting + inFlight + delayed, 0);
  const [first] = queues;
  const deployed = first?.name.endsWith(".fifo") === true ? "fifo" : "standard";
  if (first === undefined || open === 0 || deployed === delivery) return;
  throw new CauceError(
    "orders_stranded",
    `workflow "${workflow.name}" is deployed in ${deployed} delivery, and ${open} ${open === 1 ? "order is" : "orders are"} open: their messages would go with the queues; give --delivery ${deployed}, or let the orders end first; ${anyway}`,
  );
}
