import { ListQueuesCommand } from "@aws-sdk/client-sqs";
import { call, destroyClients, openClients } from "../../backend/aws/clients.ts";
import { openQueue } from "../../backend/aws/queue.ts";
import type { DeliveryMode, Depth } from "../../backend/backend.ts";
import { systemClock } from "../../core/clock.ts";
import type { App } from "../../core/handlers.ts";
import { jsonLog } from "../../engine/log.ts";
import { awsStore } from "../awsStore.ts";
import type { Deployed, DeployedQueue } from "./refusals.ts";

const pageMost = 1_000;

/** What stands in the account of a workflow's stage: nothing before the first deployment. */
export async function readDeployed(
  app: App,
  { stage, delivery }: { readonly stage: string; readonly delivery: DeliveryMode },
): Promise<Deployed> {
  const { name } = app.workflow;
  const [depths, queues] = await Promise.all([readDepths(app, stage, delivery), readQueues(name, stage)]);
  return { depths, queues };
}

/** Where orders stand, as the table tells: the queues of the new definition may not be there yet. */
async function readDepths(app: App, stage: string, delivery: DeliveryMode): Promise<readonly Depth[]> {
  const choice = { stage, delivery, topicArn: undefined, queueUrlBase: undefined };
  const open = await awsStore(
    [app],
    choice,
    jsonLog(() => {}),
  );
  const options = { workflow: app.workflow.name, delivery, clock: systemClock(), leaseSeconds: {} };
  const backend = await Promise.resolve(open(options)).catch((error: { readonly code?: string }) => {
    if (error.code === "store_missing") return undefined;
    throw error;
  });
  try {
    return (await backend?.depths()) ?? [];
  } finally {
    await backend?.close();
  }
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
    // Names of workflows and stages hold no hyphen.
    const own = new RegExp(`/${workflow}-[^/]+-${stage}(\\.fifo)?$`);
    return await Promise.all(
      urls
        .filter((url) => own.test(url))
        .map(async (url) => {
          const { waiting, inFlight, delayed } = await openQueue(clients.sqs, url, "standard").counts();
          return { name: url.split("/").at(-1) as string, messages: waiting + inFlight + delayed };
        }),
    );
  } finally {
    destroyClients(clients);
  }
}
