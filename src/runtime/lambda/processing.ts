import { resourceNames } from "../../backend/aws/index.ts";
import type { Delivery } from "../../backend/backend.ts";
import type { App, Log } from "../../core/handlers.ts";
import { type HandledStatus, handledStatuses, statusOf, timeoutSecondsOf } from "../../core/workflow.ts";
import type { Attempt } from "../../engine/attempt.ts";
import { jsonLog } from "../../engine/log.ts";
import { cauceVariables, functionName } from "../env.ts";
import { type Invocation, type OpenEngine, openEngines } from "./engines.ts";
import { type LambdaSettings, lambdaSettings } from "./settings.ts";

/** What SQS hands to a function. */
export interface SqsEvent {
  readonly Records: readonly SqsRecord[];
}

export interface SqsRecord {
  readonly messageId: string;
  readonly receiptHandle: string;
  readonly body: string;
  readonly attributes: { readonly ApproximateReceiveCount: string; readonly MessageGroupId?: string };
  /** `arn:aws:sqs:eu-west-1:123456789012:orders-paid-dev` */
  readonly eventSourceARN: string;
}

export interface SqsAnswer {
  readonly batchItemFailures: readonly { readonly itemIdentifier: string }[];
}

/** What serves one status's queue. */
interface Desk {
  readonly status: string;
  readonly timeoutSeconds: number;
  readonly backend: OpenEngine["backend"];
  readonly attempt: Attempt;
  /** What comes again is the message itself, and not a new one. */
  readonly fifo: boolean;
}

/** The commit and the publish after the handler need some time too. */
const afterMilliseconds = 1_000;

/**
 * The handler of a processing function: a standard batch at once, in FIFO delivery the groups at once and each in turn.
 * Nothing starts with less than the status's `timeoutSeconds` left. What is not done is answered as failed, alone; where
 * one of a group is not done, neither are those behind it, and they go back at once.
 */
export function processingHandler(
  apps: App | readonly App[],
): (event: SqsEvent, invocation: Invocation) => Promise<SqsAnswer> {
  const log = jsonLog((line) => process.stdout.write(line));
  const settings = lambdaSettings(cauceVariables());
  let opening: Promise<ReadonlyMap<string, Desk>> | undefined;
  return async ({ Records }, invocation) => {
    opening ??= openDesks(apps, settings, log);
    const desks = await opening.catch((error: unknown) => {
      opening = undefined;
      throw error;
    });
    const failed = await Promise.all(
      [...batchesOf(Records, settings.delivery === "fifo")].map((batch) => serve(batch, desks, invocation, log)),
    );
    return { batchItemFailures: failed.flat().map((itemIdentifier) => ({ itemIdentifier })) };
  };
}

async function openDesks(
  apps: App | readonly App[],
  settings: LambdaSettings,
  log: Log,
): Promise<ReadonlyMap<string, Desk>> {
  const desks = new Map<string, Desk>();
  for (const { app, engine, backend } of await openEngines(apps, settings, { log, name: functionName() })) {
    const { workflow } = app;
    const names = resourceNames(workflow.name, settings.stage, settings.delivery);
    const attempt = await engine.attend();
    for (const status of handledStatuses(workflow)) {
      const timeoutSeconds = timeoutSecondsOf(statusOf(workflow, status) as HandledStatus);
      desks.set(names.queue(status), { status, timeoutSeconds, backend, attempt, fifo: settings.delivery === "fifo" });
    }
  }
  return desks;
}

/** What is served in turn: in FIFO delivery a group of one queue, else each record by itself. */
function batchesOf(records: readonly SqsRecord[], fifo: boolean): Iterable<SqsRecord[]> {
  if (!fifo) return records.map((record) => [record]);
  const batches = new Map<string, SqsRecord[]>();
  for (const record of records) {
    const key = `${record.eventSourceARN} ${record.attributes.MessageGroupId}`;
    batches.set(key, [...(batches.get(key) ?? []), record]);
  }
  return batches.values();
}

/** Serves records in turn, and gives the ids of those that are not done. */
async function serve(
  records: readonly SqsRecord[],
  desks: ReadonlyMap<string, Desk>,
  invocation: Invocation,
  log: Log,
): Promise<string[]> {
  const ids = records.map(({ messageId }) => messageId);
  const queue = records[0]?.eventSourceARN.split(":").at(-1) ?? "";
  const desk = desks.get(queue);
  if (desk === undefined) {
    log.error({ queue }, "this function has no handler for the queue; its messages come again");
    return ids;
  }
  let deliveries: readonly Delivery[] = [];
  let begun = 0;
  try {
    deliveries = await desk.backend.adopt(desk.status, records.map(messageOf));
    for (const delivery of deliveries) {
      if (invocation.getRemainingTimeInMillis() < desk.timeoutSeconds * 1_000 + afterMilliseconds) break;
      begun++;
      const verdict = await desk.attempt(delivery, () => {});
      if (verdict === undefined) break;
      await desk.backend.settle(delivery, verdict);
      if (verdict.verdict === "again" && desk.fifo) break;
      ids.splice(ids.indexOf(delivery.messageId as string), 1);
    }
  } catch (error) {
    log.error({ queue, error: String(error) }, "delivery not settled; it comes again");
  }
  // They were received and never begun: nobody should wait for their invisibility to end.
  await Promise.all(
    deliveries.slice(begun).map((delivery) =>
      desk.backend.giveBack(delivery).catch((error: unknown) => {
        log.warn(
          { orderId: delivery.orderId, error: String(error) },
          "message not given back; it comes when its time is up",
        );
      }),
    ),
  );
  return ids;
}

function messageOf({ messageId, receiptHandle, body, attributes }: SqsRecord) {
  return { MessageId: messageId, ReceiptHandle: receiptHandle, Body: body, Attributes: attributes };
}
