import type { AwsBackend } from "../backend/aws/index.ts";
import type { DeliveryMode } from "../backend/port.ts";
import { CauceError } from "../core/errors.ts";
import type { App, Log } from "../core/handlers.ts";
import { type OpenWorkflows, openWorkflows } from "../engine/open.ts";
import type { Observer } from "../engine/telemetry/observer.ts";
import { type Auth, parseKeys } from "../http/auth.ts";
import { stackBackend } from "../node/awsResources.ts";
import { functionName, queueUrlBase, retentionDays, stage, topicArn } from "../node/settings.ts";

/** What Lambda tells a function of one invocation. */
export interface Invocation {
  readonly awsRequestId: string;
  getRemainingTimeInMillis(): number;
}

/** Opens the workflows over the stack's backend. Nothing polls, and no chore runs by itself. */
export function openStack(
  apps: App | readonly App[],
  settings: LambdaSettings,
  log: Log,
  observerOf?: (workflow: string) => Observer,
): Promise<OpenWorkflows<AwsBackend>> {
  const { delivery, retentionDays } = settings;
  return openWorkflows({
    ...{ apps, delivery, retentionDays, log, observerOf },
    backend: stackBackend(apps, settings, log),
    actor: { runtime: "lambda", name: functionName() },
    // A function does not wait for a store that takes no writes: the delivery comes back.
    commitPatienceSeconds: 0,
  });
}

/** Makes what opens at its first call. Where that failed, the next call tries again. */
export function openOnce<Opened>(open: () => Promise<Opened>): () => Promise<Opened> {
  let opening: Promise<Opened> | undefined;
  return () => {
    opening ??= open().catch((error: unknown) => {
      opening = undefined;
      throw error;
    });
    return opening;
  };
}

/** What a function's environment says: the stack sets it. */
export interface LambdaSettings {
  readonly stage: string;
  readonly delivery: DeliveryMode;
  readonly topicArn: string | undefined;
  /** Where queues are: `https://sqs.eu-west-1.amazonaws.com/123456789012/`. */
  readonly queueUrlBase: string | undefined;
  readonly keys: string | undefined;
  readonly public: boolean;
  /** Whether figures for CloudWatch are written into the log. */
  readonly metrics: boolean;
  /** For the sweep: final orders go so many days after their last change. */
  readonly retentionDays: number | undefined;
}

/** Every variable that a function reads. */
export const lambdaVariables: readonly string[] = [
  "CAUCE_DELIVERY",
  "CAUCE_KEYS",
  "CAUCE_METRICS",
  "CAUCE_PUBLIC",
  "CAUCE_QUEUE_URL_BASE",
  "CAUCE_RETENTION_DAYS",
  "CAUCE_STAGE",
  "CAUCE_TOPIC_ARN",
];

/** Throws `setting_invalid` for a variable that is unknown or has a value that it does not take. */
export function lambdaSettings(environment: Readonly<Record<string, string>>): LambdaSettings {
  for (const name of Object.keys(environment)) {
    if (!lambdaVariables.includes(name)) {
      throw new CauceError(
        "setting_invalid",
        `${name} is no setting of a function; there is ${lambdaVariables.join(", ")}`,
      );
    }
  }
  const { CAUCE_DELIVERY: delivery = "standard" } = environment;
  if (delivery !== "standard" && delivery !== "fifo") throw invalid("CAUCE_DELIVERY", delivery, "standard or fifo");
  const yesOrNo = (name: string, fallback: boolean): boolean => {
    const value = environment[name] ?? String(fallback);
    if (value !== "true" && value !== "false") throw invalid(name, value, "true or false");
    return value === "true";
  };
  /** As the command line reads the same variable. */
  const parsed = <T>(
    name: string,
    parse: (text: string) => { readonly value: T } | { readonly fault: string },
  ): T | undefined => {
    const value = environment[name];
    if (value === undefined) return undefined;
    const found = parse(value);
    if ("fault" in found) throw invalid(name, value, found.fault);
    return found.value;
  };
  return {
    stage: parsed("CAUCE_STAGE", stage) ?? "dev",
    delivery,
    topicArn: parsed("CAUCE_TOPIC_ARN", topicArn),
    queueUrlBase: parsed("CAUCE_QUEUE_URL_BASE", queueUrlBase),
    keys: environment.CAUCE_KEYS,
    public: yesOrNo("CAUCE_PUBLIC", false),
    metrics: yesOrNo("CAUCE_METRICS", true),
    retentionDays: parsed("CAUCE_RETENTION_DAYS", retentionDays),
  };
}

/** Who may call. Throws `keys_required` where nobody said that everybody may. */
export function lambdaAuth({ keys, public: open }: LambdaSettings): Auth | undefined {
  if (keys !== undefined) return parseKeys(keys.replaceAll(",", "\n"), "CAUCE_KEYS");
  if (open) return undefined;
  throw new CauceError(
    "keys_required",
    "the function has no API keys; set CAUCE_KEYS, or CAUCE_PUBLIC=true to serve everybody",
  );
}

function invalid(name: string, value: string, what: string): CauceError {
  return new CauceError("setting_invalid", `${name} is "${value}"; it must be ${what}`);
}
