import { resourceNames } from "../backend/aws/names.ts";
import type { BackendFactory } from "../backend/port.ts";
import type { App, Log } from "../core/handlers.ts";
import { handledStatuses } from "../core/workflow.ts";
import { withPeers } from "../deploy/optionalPeers.ts";
import type { AwsResources } from "../node/awsResources.ts";

/** The parts of the AWS SDK that the backend needs. */
export const sdkPackages = ["@aws-sdk/client-dynamodb", "@aws-sdk/client-sns", "@aws-sdk/client-sqs"];

/**
 * Makes the backend on AWS. The SDK is loaded here and not before, since a server on SQLite needs none. Throws
 * `package_missing`, and `setting_invalid` if one topic is given for several workflows.
 */
export async function awsStore(apps: readonly App[], resources: AwsResources, log: Log): Promise<BackendFactory> {
  const { backendOnAws } = await withPeers("--backend aws", sdkPackages, () => import("../node/awsResources.ts"));
  return backendOnAws(apps, resources, log);
}

/** Names the resources that hold the orders, as rows. With `statuses`, only the queues of those. */
export function awsRows(
  apps: readonly App[],
  { stage, delivery }: Pick<AwsResources, "stage" | "delivery">,
  statuses: readonly string[] | undefined,
): [string, string][] {
  const named = apps.map(({ workflow }) => ({ workflow, names: resourceNames(workflow.name, stage, delivery) }));
  const queues = named.flatMap(({ workflow, names }) =>
    handledStatuses(workflow)
      .filter((status) => statuses?.includes(status) ?? true)
      .map((status) => names.queue(status)),
  );
  return [
    ["backend", "aws"],
    ["stage", stage],
    ["table", named.map(({ names }) => names.table).join(", ")],
    ["topic", named.map(({ names }) => names.topic).join(", ")],
    ["queues", queues.join(", ")],
  ];
}
