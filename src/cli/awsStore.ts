import { resourceNames } from "../backend/aws/names.ts";
import type { BackendFactory, DeliveryMode } from "../backend/backend.ts";
import { CauceError } from "../core/errors.ts";
import type { App, Log } from "../core/handlers.ts";
import { handledStatuses } from "../core/workflow.ts";

export interface AwsChoice {
  readonly stage: string;
  readonly topicArn: string | undefined;
  readonly queueUrlBase: string | undefined;
  readonly delivery: DeliveryMode;
}

/** The parts of the AWS SDK that the backend needs. */
export const sdkPackages = ["@aws-sdk/client-dynamodb", "@aws-sdk/client-sns", "@aws-sdk/client-sqs"];

/**
 * The backend on AWS. Its SDK is loaded here and not before: whoever stays on SQLite needs none. Throws
 * `setting_invalid` where the SDK is not installed, or one topic is given for several workflows.
 */
export async function awsStore(apps: readonly App[], choice: AwsChoice, log: Log): Promise<BackendFactory> {
  const { stage, topicArn, queueUrlBase, delivery } = choice;
  if (topicArn !== undefined && apps.length > 1) {
    throw new CauceError(
      "setting_invalid",
      "--topic-arn (CAUCE_TOPIC_ARN) names the topic of one workflow, and the app has several; leave it out, and each is found by its name",
    );
  }
  const { aws } = await loadBackend();
  return (options) => {
    const names = resourceNames(options.workflow, stage, delivery);
    const queueUrl =
      queueUrlBase === undefined ? undefined : (status: string) => `${queueUrlBase}${names.queue(status)}`;
    return aws({ stage, topicArn, queueUrl, onWarning: log.warn })(options);
  };
}

/** Where the orders are, as rows: with `statuses`, only the queues of those. */
export function awsRows(
  apps: readonly App[],
  { stage, delivery }: Pick<AwsChoice, "stage" | "delivery">,
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

async function loadBackend(): Promise<typeof import("../backend/aws/index.ts")> {
  try {
    return await import("../backend/aws/index.ts");
  } catch (cause) {
    const { code, message = "" } = cause as NodeJS.ErrnoException;
    const missing = code === "ERR_MODULE_NOT_FOUND" ? sdkPackages.find((name) => message.includes(name)) : undefined;
    if (missing === undefined) throw cause;
    throw new CauceError(
      "setting_invalid",
      `--backend aws needs the AWS SDK, and ${missing} is not installed; run npm install ${sdkPackages.join(" ")}`,
      { cause },
    );
  }
}
