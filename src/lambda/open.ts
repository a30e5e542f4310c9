import type { AwsBackend } from "../backend/aws/index.ts";
import { CauceError } from "../core/errors.ts";
import type { App, Log } from "../core/handlers.ts";
import { type AppCode, takeRejection } from "../engine/appCode.ts";
import type { Observer } from "../engine/context.ts";
import { jsonLog } from "../engine/log.ts";
import { type OpenWorkflows, openWorkflows } from "../engine/open.ts";
import { type Auth, parseKeys } from "../http/auth.ts";
import { backendOnAws } from "../node/awsResources.ts";
import { forgetRuntimeListeners, hearRejections } from "../node/faults.ts";
import { functionName, readFunctionSettings } from "../node/readSettings.ts";
import type { FunctionSettings } from "../node/settings.ts";
import { createFunctionMetrics, type FunctionMetrics } from "./metrics.ts";

/** What Lambda tells a function of one invocation. */
export interface Invocation {
  readonly awsRequestId: string;
  getRemainingTimeInMillis(): number;
}

/** Reads the settings of this function, and makes what writes to its log. */
export function startFunction() {
  const put = (line: string): void => void process.stdout.write(line);
  const settings = readFunctionSettings();
  const log = jsonLog(put);
  const metrics = createFunctionMetrics(settings, put);
  return { settings, log, metrics, rejections: hear(log, metrics) };
}

/** Hears of rejections that nothing handled: each is counted and logged, and ends nothing. */
function hear(log: Log, metrics: FunctionMetrics): { appCode: AppCode | undefined } {
  // `appCode` is given once the workflows are open: then a handler's rejection fails its attempt.
  const rejections: ReturnType<typeof hear> = { appCode: undefined };
  forgetRuntimeListeners();
  hearRejections((reason) => {
    if (rejections.appCode !== undefined && takeRejection(rejections.appCode, reason)) return true;
    metrics.add("UnhandledRejections", 1, {});
    return false;
  }, log);
  return rejections;
}

/** Opens the workflows over the backend on AWS. Nothing polls, and no chore runs by itself. */
export function openOnAws(
  apps: App | readonly App[],
  settings: FunctionSettings,
  log: Log,
  observerOf?: (workflow: string) => Observer,
): Promise<OpenWorkflows<AwsBackend>> {
  const { delivery, retentionDays } = settings;
  return openWorkflows({
    ...{ apps, delivery, retentionDays, log, observerOf },
    backend: backendOnAws(apps, settings, log),
    actor: { runtime: "lambda", name: functionName() },
    // The function's own time is the limit: a delivery that is not settled comes back.
    commitRetrySeconds: 0,
  });
}

/** Opens at the first call. If that failed, the next call tries again. */
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

/** Reads who may call. Undefined: everyone. Throws `keys_required` if the settings do not say. */
export function lambdaAuth({ keys, public: open }: Pick<FunctionSettings, "keys" | "public">): Auth | undefined {
  if (keys !== undefined) return parseKeys(keys.replaceAll(",", "\n"), "CAUCE_KEYS");
  if (open) return undefined;
  throw new CauceError(
    "keys_required",
    "the function has no API keys; set CAUCE_KEYS, or CAUCE_PUBLIC=true to serve everybody",
  );
}
