import type { AwsBackend } from "../backend/aws/index.ts";
import { systemClock } from "../core/clock.ts";
import { CauceError } from "../core/errors.ts";
import type { App, Log } from "../core/handlers.ts";
import { leasesOf } from "../core/workflow.ts";
import { createEngine } from "../engine/createEngine.ts";
import type { Engine } from "../engine/engine.ts";
import type { Observer } from "../engine/telemetry/observer.ts";
import { type Auth, parseKeys } from "../http/auth.ts";
import { stackBackend } from "../node/awsResources.ts";
import type { FunctionSettings } from "../node/settings.ts";

export interface OpenEngine {
  readonly app: App;
  readonly engine: Engine;
  readonly backend: AwsBackend;
}

/** What a function knows of itself: Lambda gives it the invocation, and the environment its name. */
export interface Invocation {
  readonly awsRequestId: string;
  getRemainingTimeInMillis(): number;
}

/** One engine for each app, over the stack's backend: nothing polls, nothing sweeps by itself. */
export async function openEngines(
  apps: App | readonly App[],
  settings: FunctionSettings,
  { log, name, observerOf }: { readonly log: Log; readonly name: string; observerOf?(workflow: string): Observer },
): Promise<OpenEngine[]> {
  const clock = systemClock();
  const open = stackBackend(apps, settings, log);
  const opening = await Promise.allSettled(
    ([apps].flat() as readonly App[]).map(async (app) => {
      const { workflow } = app;
      const backend = await open({
        workflow: workflow.name,
        delivery: settings.delivery,
        clock,
        leaseSeconds: leasesOf(workflow),
      });
      const engine = createEngine({
        app,
        backend,
        clock,
        random: Math.random,
        log,
        actor: { runtime: "lambda", name },
        retentionDays: settings.retentionDays,
        observer: observerOf?.(workflow.name),
        // The function's time is the patience: a delivery that is not settled comes back.
        commitPatienceSeconds: 0,
      });
      return { app, engine, backend };
    }),
  );
  const opened = opening.flatMap((each) => (each.status === "fulfilled" ? each.value : []));
  const failed = opening.find((each) => each.status === "rejected");
  if (failed === undefined) return opened;
  // The next try opens all of them again.
  await Promise.allSettled(opened.map(({ backend }) => backend.close()));
  throw failed.reason;
}

/** Opens at the first call; where that failed, the next call tries again. */
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

/** Who may call. Throws `keys_required` where nobody said that everybody may. */
export function lambdaAuth({ keys, public: open }: Pick<FunctionSettings, "keys" | "public">): Auth | undefined {
  if (keys !== undefined) return parseKeys(keys.replaceAll(",", "\n"), "CAUCE_KEYS");
  if (open) return undefined;
  throw new CauceError(
    "keys_required",
    "the function has no API keys; set CAUCE_KEYS, or CAUCE_PUBLIC=true to serve everybody",
  );
}
