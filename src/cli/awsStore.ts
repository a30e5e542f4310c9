import { resourceNames } from "../backend/aws/names.ts";
import type { BackendFactory } from "../backend/backend.ts";
import { CauceError } from "../core/errors.ts";
import type { App, Log } from "../core/handlers.ts";
import { handledStatuses } from "../core/workflow.ts";
import type { StackChoice } from "../runtime/stack.ts";

/** The parts of the AWS SDK that the backend needs. */
export const sdkPackages = ["@aws-sdk/client-dynamodb", "@aws-sdk/client-sns", "@aws-sdk/client-sqs"];

/**
 * The backend on AWS. Its SDK is loaded here and not before: whoever stays on SQLite needs none. Throws
 * `setting_invalid` where the SDK is not installed, or one topic is given for several workflows.
 */
export async function awsStore(apps: readonly App[], choice: StackChoice, log: Log): Promise<BackendFactory> {
  const { stackBackend } = await loadStack();
  return stackBackend(apps, choice, log);
}

/** Where the orders are, as rows: with `statuses`, only the queues of those. */
export function awsRows(
  apps: readonly App[],
  { stage, delivery }: Pick<StackChoice, "stage" | "delivery">,
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

async function loadStack(): Promise<typeof import("../runtime/stack.ts")> {
  try {
    return await import("../runtime/stack.ts");
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
