import { type AwsBackend, aws, resourceNames } from "../backend/aws/index.ts";
import type { BackendFactoryOptions } from "../backend/port.ts";
import { CauceError } from "../core/errors.ts";
import type { App, Log } from "../core/handlers.ts";
import type { FunctionSettings } from "./settings.ts";

/** Which stack on AWS: what functions and processes are told of it. */
export type StackChoice = Pick<FunctionSettings, "stage" | "topicArn" | "queueUrlBase" | "delivery">;

/** The backend over a stack. Throws `setting_invalid` where one topic is given for several workflows. */
export function stackBackend(
  apps: App | readonly App[],
  { stage, topicArn, queueUrlBase, delivery }: StackChoice,
  log: Log,
): (options: BackendFactoryOptions) => Promise<AwsBackend> {
  // Statuses of one name in two workflows would get each other's messages.
  if (topicArn !== undefined && [apps].flat().length > 1) {
    throw new CauceError(
      "setting_invalid",
      "CAUCE_TOPIC_ARN (--topic-arn) names the topic of one workflow, and the app has several; leave it out, and each is found by its name",
    );
  }
  return (options) => {
    const names = resourceNames(options.workflow, stage, delivery);
    const queueUrl =
      queueUrlBase === undefined ? undefined : (status: string) => `${queueUrlBase}${names.queue(status)}`;
    return aws({ stage, topicArn, queueUrl, onWarning: log.warn })(options);
  };
}
