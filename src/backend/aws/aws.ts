import type { Message } from "@aws-sdk/client-sqs";
import { CauceError } from "../../core/errors.ts";
import { messageOf } from "../../core/reasons.ts";
import { unfailing } from "../../core/unfailing.ts";
import { guarded } from "../guard.ts";
import type { BackendFactoryOptions, Delivery, Limits, LocatedBackend } from "../port.ts";
import { destroyClients } from "./clients.ts";
import { createDepths } from "./index/depths.ts";
import { list } from "./index/list.ts";
import { redeliver, sweep } from "./index/sweep.ts";
import { readOrder } from "./largeFields.ts";
import { createOrders, remove } from "./orders.ts";
import { acceptFromEventSource, giveBack, settle } from "./queue/deliveries.ts";
import type { Lease } from "./queue/inFlight.ts";
import { openQueues } from "./queue/queue.ts";
import { createReceiver } from "./queue/receive.ts";
import { concurrencyDefault, concurrencyMax, concurrencyMin, dataBytesMax, visibilitySecondsMax } from "./quotas.ts";
import { type AwsOptions, openTableContext, orderKey } from "./table.ts";

export interface AwsBackend extends LocatedBackend {
  /**
   * Takes messages that a Lambda event source received, and gives their deliveries, those of a group in their order. The
   * event source deletes a message once the function reports it done. A message that Cauce did not write is left out.
   */
  acceptFromEventSource(status: string, messages: readonly Message[]): Promise<Lease[]>;
  /** Whether the status is paused, as this process knew at most 5 s ago. */
  isPaused(status: string): Promise<boolean>;
  /** Puts a delivery that was never begun back: it comes again at once. */
  giveBack(delivery: Delivery): Promise<void>;
}

/**
 * Opens the backend on DynamoDB, SNS and SQS. The resources must exist. Region, credentials and endpoints come from the
 * environment, as the AWS SDK reads them.
 * Rejects with `store_missing`, `store_denied`, `store_unavailable`, and with `limit_exceeded` for a lease of over 12 hours.
 */
export function aws(options: AwsOptions = {}): (factory: BackendFactoryOptions) => Promise<AwsBackend> {
  const { sweepSeconds = 60, pollSeconds = 5, onWarning } = options;
  // A callback that throws must not fail the write that it is told of.
  const warned = (error: unknown) => process.emitWarning(`onWarning of aws(…) failed: ${messageOf(error)}`);
  const own = { ...options, onWarning: onWarning && unfailing(onWarning, warned) };
  return async (factory) => {
    const { workflow, leaseSeconds = {} } = factory;
    refuseLeases(workflow, leaseSeconds);
    const limits = limitsOf(sweepSeconds);
    const context = openQueues(await openTableContext(own, factory), own);
    const { clients, meta, names } = context;
    const orders = createOrders(context, limits);
    const receiver = createReceiver(context, pollSeconds);
    const depths = createDepths(context);
    const underWay = new Set<Promise<unknown>>();
    const backend: Omit<AwsBackend, "where" | "delivery"> = {
      limits,
      place: orders.place,
      get: (id) => readOrder(context, id),
      list: (query) => list(context, query),
      commit: orders.commit,
      receive: receiver.receive,
      acceptFromEventSource: (status, messages) => acceptFromEventSource(context, status, messages),
      isPaused: async (status) => (await meta.paused()).has(status),
      giveBack: (delivery) => giveBack(context, delivery),
      async settle(delivery, verdict) {
        if (verdict.verdict !== "superseded") return settle(context, delivery, verdict);
        await redeliver(context, verdict.by, "taken back");
        return settle(context, delivery, { verdict: "done" });
      },
      sweep: (query) => sweep(context, depths, query),
      async keep(note) {
        if (note.is === "probe") return meta.probe();
        await meta.setPaused(note.status, note.paused);
        depths.forget();
        receiver.resumed();
      },
      remove: (which) => remove(context, which),
      counts: depths.counts,
      async close() {
        await receiver.close();
        await Promise.allSettled(underWay);
        destroyClients(clients);
      },
    };
    return {
      ...guarded(backend, `the backend of "${workflow}" is closed; open a new one`, underWay),
      delivery: context.mode,
      where: (id) => ({ store: "dynamodb", file: null, table: names.table, key: { ...orderKey(id) } }),
    };
  };
}

/** Throws `limit_exceeded` where a status's deliveries would be leased for longer than SQS can hide a message. */
function refuseLeases(workflow: string, leaseSeconds: Readonly<Record<string, number>>): void {
  for (const [status, seconds] of Object.entries(leaseSeconds)) {
    if (seconds <= visibilitySecondsMax) continue;
    const what = `its timeoutSeconds make a lease of ${seconds} s, and SQS holds one of at most ${visibilitySecondsMax} s`;
    throw new CauceError("limit_exceeded", `workflow "${workflow}", status "${status}": ${what}; set a sixth of that`);
  }
}

function limitsOf(sweepSeconds: number): Limits {
  return {
    longestDelaySeconds: Number.POSITIVE_INFINITY,
    dataBytesMax,
    groupBytesMax: 256,
    sweepSeconds,
    timingSeconds: sweepSeconds,
    longestWaitSeconds: Number.POSITIVE_INFINITY,
    concurrency: { least: concurrencyMin, most: concurrencyMax, default: concurrencyDefault },
  };
}
