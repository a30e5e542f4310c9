import type { Clock } from "../../core/clock.ts";
import type { BackendFactoryOptions, DeliveryMode } from "../port.ts";
import { type Clients, destroyClients, openClients } from "./clients.ts";
import { type ResourceNames, resourceNames } from "./names.ts";
import { openTable, type Table } from "./table.ts";
import { openTableMeta, type TableMeta } from "./tableMeta.ts";

export interface AwsOptions {
  /** Part of every resource's name: `orders-table-dev`. Default `dev`. */
  readonly stage?: string | undefined;
  /** Default: made of the topic's name, and of the account and Region of a queue. */
  readonly topicArn?: string | undefined;
  /** Default: SQS is asked for the URL of the queue's name. */
  readonly queueUrl?: ((status: string) => string | undefined) | undefined;
  /** How many partitions the index has for open orders, for failed ones and for each final status. The number only grows. Default 8. */
  readonly shards?: number | undefined;
  /** How often a sweep runs, in seconds: how late a time may be that no message keeps. Default 60. */
  readonly sweepSeconds?: number | undefined;
  /** How long one call waits for messages, in whole seconds from 1 to 20. A process takes as long to close. Default 5. */
  readonly pollSeconds?: number | undefined;
  /** Told of what is repaired later: a message that the topic did not take, or one that Cauce did not write. */
  readonly onWarning?: ((fields: Record<string, unknown>, message: string) => void) | undefined;
}

/** What the files over the table work with. `AwsContext` adds the queues. */
export interface TableContext {
  readonly mode: DeliveryMode;
  readonly clock: Clock;
  readonly clients: Clients;
  readonly names: ResourceNames;
  readonly table: Table;
  readonly meta: TableMeta;
  /** Each handled status, and for how long its deliveries are leased, in seconds. */
  readonly leaseSeconds: Readonly<Record<string, number>>;
  readonly warn: NonNullable<AwsOptions["onWarning"]>;
}

/** Opens the clients and the table. Rejects with `store_missing`, `store_denied`, `store_unavailable`. */
export async function openTableContext(
  { stage = "dev", shards = 8, onWarning: warn = () => {} }: AwsOptions,
  { workflow, delivery: mode, clock, leaseSeconds = {} }: BackendFactoryOptions,
): Promise<TableContext> {
  const clients = openClients();
  const names = resourceNames(workflow, stage, mode);
  const table = openTable(clients.dynamo, names.table);
  try {
    const meta = await openTableMeta(table, clock, shards);
    return { mode, clock, clients, names, table, meta, leaseSeconds, warn };
  } catch (error) {
    destroyClients(clients);
    throw error;
  }
}

const leaseSecondsDefault = 180;
const lostAfterLeaseSeconds = 30;

/** For how long a delivery of a status is leased, in seconds; 180 for a status that the definition no longer handles. */
export function leaseSecondsOf({ leaseSeconds }: TableContext, status: string): number {
  return leaseSeconds[status] ?? leaseSecondsDefault;
}

/** How long after its queueing a delivery counts as lost, in seconds: 30 s after its lease would have ended. */
export function lostSecondsOf(context: TableContext, status: string): number {
  return leaseSecondsOf(context, status) + lostAfterLeaseSeconds;
}
