import type { Message } from "@aws-sdk/client-sqs";
import { CauceError } from "../../core/errors.ts";
import { guarded } from "../guard.ts";
import { refuseSize } from "../newOrder.ts";
import type { BackendFactoryOptions, Delivery, Limits, LocatedBackend } from "../port.ts";
import { destroyClients, openClients } from "./clients.ts";
import { createDepths } from "./index/depths.ts";
import { createList } from "./index/list.ts";
import { createSweep } from "./index/sweep.ts";
import { orderPart } from "./item.ts";
import { createLargeFields } from "./largeFields.ts";
import { resourceNames } from "./names.ts";
import { createOrders, createRemoval } from "./orders.ts";
import { type Adopted, createDeliveries } from "./queue/deliveries.ts";
import { createGroups, createLeases } from "./queue/inFlight.ts";
import { createReceiver } from "./queue/receive.ts";
import { concurrencyMax, concurrencyMin, dataBytesMax, visibilitySecondsMax } from "./quotas.ts";
import { createResources } from "./resources.ts";
import { openTable } from "./table.ts";
import { openTableMeta } from "./tableMeta.ts";

export interface AwsOptions {
  /** Part of every resource's name: `orders-table-dev`. Default `dev`. */
  readonly stage?: string | undefined;
  /** Default: by the pattern, in the queues' account and Region. */
  readonly topicArn?: string | undefined;
  /** Default: looked for by the pattern. */
  readonly queueUrl?: ((status: string) => string | undefined) | undefined;
  /** Partitions of the index for each kind of standing; the table's own count only grows. Default 8. */
  readonly shards?: number | undefined;
  /** How often whoever sweeps does so, in seconds: the accuracy of times that no message keeps. Default 60. */
  readonly sweepSeconds?: number | undefined;
  /** How long one call waits for messages, in whole seconds from 1 to 20. A process takes as long to close. Default 5. */
  readonly pollSeconds?: number | undefined;
  /** Told of what is repaired later: a message that the topic did not take, one that Cauce did not write. */
  readonly onWarning?: ((fields: Record<string, unknown>, message: string) => void) | undefined;
}

export interface AwsBackend extends LocatedBackend {
  /**
   * Takes messages that a Lambda event source received as deliveries, a group's in their order. Whoever hands them over
   * takes them off the queue once they are done. A message that Cauce did not write is left out.
   */
  acceptFromEventSource(status: string, messages: readonly Message[]): Promise<Adopted[]>;
  /** Whether the status is paused, as this process knew at most 5 s ago. */
  isPaused(status: string): Promise<boolean>;
  /** A delivery that was never begun comes again at once. */
  giveBack(delivery: Delivery): Promise<void>;
}

/** A message that is lost comes again after the lease of its status and so much more, in seconds. */
const lostAfterLeaseSeconds = 30;
const usualLeaseSeconds = 180;

/**
 * The backend on DynamoDB, SNS and SQS. The resources must be there. Region, credentials and endpoints come from the
 * environment, as the AWS SDK reads them.
 * Rejects with `store_missing`, `store_denied`, `store_unavailable`.
 */
export function aws(options: AwsOptions = {}): (factory: BackendFactoryOptions) => Promise<AwsBackend> {
  const { stage = "dev", shards = 8, sweepSeconds = 60, pollSeconds = 5, onWarning = () => {} } = options;
  return async ({ workflow, delivery: mode, clock, leaseSeconds = {} }) => {
    refuseLeases(workflow, leaseSeconds);
    const limits = limitsOf(sweepSeconds);
    const names = resourceNames(workflow, stage, mode);
    const clients = openClients();
    const table = openTable(clients.dynamo, names.table);
    const meta = await openTableMeta(table, clock, shards).catch((error) => {
      destroyClients(clients);
      throw error;
    });
    const handled = Object.keys(leaseSeconds);
    const { queueOf, topic } = createResources({
      clients,
      names,
      mode,
      topicArn: options.topicArn,
      queueUrl: options.queueUrl,
      anyStatus: handled[0] ?? "",
    });
    const lostSecondsOf = (status: string) => (leaseSeconds[status] ?? usualLeaseSeconds) + lostAfterLeaseSeconds;
    const parts = createLargeFields(table, clock);
    const leases = createLeases(clock);
    const groups = createGroups();
    const deliveries = createDeliveries({
      ...{ mode, clock, table, leases, groups },
      onForeign: (messageId) =>
        onWarning({ messageId }, "a message that Cauce did not write; it is left to the dead letters"),
    });
    const orders = createOrders({
      ...{ mode, clock, table, parts, meta, topic, deliveries, lostSecondsOf },
      onUnpublished: (orderId, error) =>
        onWarning({ orderId, error: String(error) }, "message not published; the sweep delivers the order"),
    });
    const list = createList(table, meta, orders);
    const receiver = createReceiver({ clock, meta, groups, deliveries, queueOf, pollSeconds });
    const counting = createDepths({ mode, clock, table, meta, handled, queueOf });
    const sweeping = createSweep({
      ...{ clock, table, meta, parts, orders, leases, queueOf, lostSecondsOf },
      keepCounts: counting.keep,
      onUnread: (orderId, error) =>
        onWarning({ orderId, error: String(error) }, "overdue order not read; the next sweep looks at it again"),
    });
    const removing = createRemoval(table, meta, parts, orders);
    const underWay = new Set<Promise<unknown>>();
    const backend: Omit<AwsBackend, "where"> = {
      limits,
      async place(order) {
        const refused = refuseSize(order, limits);
        if (refused !== undefined) throw refused;
        return orders.place(order);
      },
      get: orders.get,
      list,
      commit: orders.commit,
      receive: receiver.receive,
      async acceptFromEventSource(status, messages) {
        const seconds = leaseSeconds[status] ?? usualLeaseSeconds;
        return deliveries.acceptFromEventSource(await queueOf(status), status, messages, seconds);
      },
      isPaused: meta.isPaused,
      giveBack: deliveries.giveBack,
      async settle(delivery, verdict) {
        if (verdict.verdict !== "superseded") return deliveries.settle(delivery, verdict);
        await sweeping.redeliver(verdict.by);
        return deliveries.settle(delivery, { verdict: "done" });
      },
      sweep: sweeping.sweep,
      async keep(note) {
        if (note.is === "probe") return meta.probe();
        await meta.setPaused(note.status, note.paused);
        counting.forget();
        receiver.resumed();
      },
      remove: removing.remove,
      counts: counting.counts,
      async close() {
        await receiver.close();
        await Promise.allSettled([...underWay]);
        destroyClients(clients);
      },
    };
    return {
      ...guarded(backend, `the backend of "${workflow}" is closed; open a new one`, underWay),
      where: (id) => ({ store: "dynamodb", file: null, table: names.table, key: { id, part: orderPart } }),
    };
  };
}

/** Throws `limit_exceeded` where a status's deliveries are leased for longer than SQS can. */
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
    concurrency: { least: concurrencyMin, most: concurrencyMax, default: 100 },
  };
}
