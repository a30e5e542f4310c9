import { type AwsBackend, aws, resourceNames } from "../backend/aws/index.ts";
import type { BackendFactoryOptions } from "../backend/port.ts";
import { CauceError } from "../core/errors.ts";
import type { App, Log } from "../core/handlers.ts";
import type { FunctionSettings } from "./settings.ts";

/** Which resources on AWS to use, as functions and processes are told. */
export type AwsResources = Pick<FunctionSettings, "stage" | "topicArn" | "queueUrlBase" | "delivery">;

/** Makes the backend over the resources of a stage. Throws `setting_invalid` if one topic is given for several workflows. */
export function backendOnAws(
  apps: App | readonly App[],
  { stage, topicArn, queueUrlBase, delivery }: AwsResources,
  log: Log,
): (options: BackendFactoryOptions) => Promise<AwsBackend> {
  // Two workflows on one topic would get each other's messages if they have a status of the same name.
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
