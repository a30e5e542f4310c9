import { ListQueuesCommand } from "@aws-sdk/client-sqs";
import { call, destroyClients, openClients } from "../../backend/aws/clients.ts";
import { openQueue } from "../../backend/aws/queue.ts";
import { countStanding } from "../../backend/aws/standing.ts";
import { systemClock } from "../../core/clock.ts";
import type { Deployed, DeployedQueue } from "./refusals.ts";

const pageMost = 1_000;

/**
 * Looks whether the environment says which account and Region are meant, as the SDK reads it: whoever deploys for the
 * first time should not wait for a bundle to be told. Rejects with `store_denied`, `setting_invalid`.
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

/** What stands in the account of a workflow's stage: nothing before the first deployment. */
export async function readDeployed(workflow: string, stage: string): Promise<Deployed> {
  const [rows, queues] = await Promise.all([
    countStanding(workflow, stage, systemClock()).catch((error: { readonly code?: string }) => {
      if (error.code === "store_missing") return [];
      throw error;
    }),
    readQueues(workflow, stage),
  ]);
  const depths = rows.map(({ status, kind, standing, delayed }) => ({
    ...{ status, kind, waiting: standing, inFlight: 0, delayed },
    atLeast: false,
  }));
  return { depths, queues };
}

async function readQueues(workflow: string, stage: string): Promise<readonly DeployedQueue[]> {
  const clients = openClients();
  try {
    const urls: string[] = [];
    let next: string | undefined;
    do {
      const command = new ListQueuesCommand({
        QueueNamePrefix: `${workflow}-`,
        MaxResults: pageMost,
        NextToken: next,
      });
      const { QueueUrls = [], NextToken } = await call("the queues", (options) => clients.sqs.send(command, options));
      urls.push(...QueueUrls);
      next = NextToken;
    } while (next !== undefined);
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

/** Whether a stack made the queue: a status's has its dead letters beside it, and somebody else's of such a name has none. */
function isOwn(name: string, names: ReadonlySet<string>, workflow: string, stage: string): boolean {
  // Names of workflows, statuses and stages hold no hyphen.
  const parts = new RegExp(`^${workflow}-([^-]+)(-dead)?-${stage}(\\.fifo)?$`).exec(name);
  if (parts === null) return false;
  const [, status, , suffix = ""] = parts;
  return status === "unrouted" || names.has(`${workflow}-${status}-dead-${stage}${suffix}`);
}
