import { type Adopted, type AwsBackend, resourceNames } from "../backend/aws/index.ts";
import type { App, Log } from "../core/handlers.ts";
import { handledStatus, handledStatuses, leaseSecondsOf, timeoutSecondsOf } from "../core/workflow.ts";
import type { RunAttempt } from "../engine/attempt.ts";
import { noObserver, type Observer } from "../engine/telemetry/observer.ts";
import type { FunctionSettings } from "../node/settings.ts";
import type { FunctionMetrics } from "./metrics.ts";
import { type Invocation, openOnAws, openOnce, startFunction } from "./open.ts";

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
  readonly workflow: string;
  readonly status: string;
  readonly timeoutSeconds: number;
  readonly leaseSeconds: number;
  readonly backend: AwsBackend;
  readonly attempt: RunAttempt;
  /** What comes again is the message itself, and not a new one. */
  readonly fifo: boolean;
}

/**
 * The event source brings a paused status's messages all the same, so each is put off for so long: a new message in
 * standard delivery, and in FIFO the same one, of whose receives a queue counts 1,000 at most (10 days).
 */
const pausedSeconds = { standard: 60, fifo: 900 };

/** The commit and the publish after the handler need some time too. */
const afterMilliseconds = 1_000;

/**
 * The handler of a processing function: a standard batch at once, in FIFO delivery the groups at once and each in turn;
 * what may have killed a function before, after the others and by itself. Nothing starts with less than the status's
 * `timeoutSeconds` left. What is not done is answered as failed, alone; where one of a group is not done, neither are
 * those behind it, and they go back at once.
 */
export function processingHandler(
  apps: App | readonly App[],
): (event: SqsEvent, invocation: Invocation) => Promise<SqsAnswer> {
  const { settings, log, metrics } = startFunction();
  const open = openOnce(() => openDesks(apps, settings, log, metrics));
  return async ({ Records }, invocation) => {
    const desks = await open();
    const failed = await Promise.all(
      [...batchesOf(Records)].map(async (batch) => {
        const desk = deskOf(batch, desks, log);
        const ids = desk === undefined ? idsOf(batch) : await serve(batch, desk, invocation, log);
        if (desk !== undefined) metrics.add("MessagesNotDone", ids.length, desk);
        return ids;
      }),
    );
    metrics.write();
    return { batchItemFailures: failed.flat().map((itemIdentifier) => ({ itemIdentifier })) };
  };
}

async function openDesks(
  apps: App | readonly App[],
  settings: FunctionSettings,
  log: Log,
  metrics: FunctionMetrics,
): Promise<ReadonlyMap<string, Desk>> {
  const desks = new Map<string, Desk>();
  const { workflows } = await openOnAws(apps, settings, log, (workflow) => attemptObserver(workflow, metrics));
  for (const { engine, backend } of workflows) {
    const { workflow } = engine;
    const names = resourceNames(workflow.name, settings.stage, settings.delivery);
    const attempt = await engine.openAttempts();
    for (const status of handledStatuses(workflow)) {
      const definition = handledStatus(workflow, status);
      desks.set(names.queue(status), {
        ...{ workflow: workflow.name, status, backend, attempt, fifo: settings.delivery === "fifo" },
        timeoutSeconds: timeoutSecondsOf(definition),
        leaseSeconds: leaseSecondsOf(definition),
      });
    }
  }
  return desks;
}

const metricOf = { moved: "AttemptsMoved", retried: "AttemptsRetried", failed: "AttemptsFailed" } as const;

/** Counts what the attempts of one workflow came to. */
function attemptObserver(workflow: string, metrics: FunctionMetrics): Observer {
  return {
    ...noObserver,
    changed({ before: { status } }, attempt) {
      if (attempt === undefined) return;
      metrics.add(metricOf[attempt.outcome], 1, { workflow, status });
      metrics.add("AttemptMilliseconds", attempt.milliseconds, { workflow, status });
    },
  };
}

/** The records by their queue. */
function batchesOf(records: readonly SqsRecord[]): Iterable<SqsRecord[]> {
  const batches = new Map<string, SqsRecord[]>();
  for (const record of records) {
    batches.set(record.eventSourceARN, [...(batches.get(record.eventSourceARN) ?? []), record]);
  }
  return batches.values();
}

/** What is served in turn, each lane by itself: in FIFO delivery a group, else each delivery alone. */
function lanesOf(deliveries: readonly Adopted[], fifo: boolean): readonly (readonly Adopted[])[] {
  if (!fifo) return deliveries.map((delivery) => [delivery]);
  const lanes = new Map<string | null, Adopted[]>();
  for (const delivery of deliveries) lanes.set(delivery.groupId, [...(lanes.get(delivery.groupId) ?? []), delivery]);
  return [...lanes.values()];
}

const idsOf = (records: readonly SqsRecord[]) => records.map(({ messageId }) => messageId);

/** What serves the queue that the records came from, if anything does. */
function deskOf(records: readonly SqsRecord[], desks: ReadonlyMap<string, Desk>, log: Log): Desk | undefined {
  const queue = records[0]?.eventSourceARN.split(":").at(-1) ?? "";
  const desk = desks.get(queue);
  if (desk === undefined) log.error({ queue }, "this function has no handler for the queue; its messages come again");
  return desk;
}

/** Serves one queue's records, and gives the ids of those that are not done. */
async function serve(records: readonly SqsRecord[], desk: Desk, invocation: Invocation, log: Log): Promise<string[]> {
  const { workflow, status } = desk;
  const left = new Set(idsOf(records));
  const notSettled = (error: unknown): void => {
    log.error({ workflow, status, error: String(error) }, "delivery not settled; it comes again");
  };
  const begun = new Set<Adopted>();
  const leaseEndsAt = Date.now() + desk.leaseSeconds * 1_000;
  const serveLane = async (lane: readonly Adopted[]): Promise<void> => {
    try {
      for (const delivery of lane) {
        if (invocation.getRemainingTimeInMillis() < desk.timeoutSeconds * 1_000 + afterMilliseconds) return;
        begun.add(delivery);
        const verdict = await desk.attempt({ ...delivery, requestId: invocation.awsRequestId }, () => {});
        if (verdict === undefined) return;
        if (!verdict.consumed) await desk.backend.settle(delivery, verdict);
        // Past its lease a delivery is known no more and no new message was sent, so the old one must not go.
        if (verdict.verdict === "again" && (desk.fifo || Date.now() >= leaseEndsAt)) return;
        left.delete(delivery.messageId as string);
      }
    } catch (error) {
      notSettled(error);
    }
  };
  const putOffLane = async ([first]: readonly Adopted[]): Promise<void> => {
    if (first === undefined) return;
    begun.add(first);
    try {
      const notBefore = Date.now() + pausedSeconds[desk.fifo ? "fifo" : "standard"] * 1_000;
      await desk.backend.settle(first, { verdict: "again", notBefore });
      if (!desk.fifo) left.delete(first.messageId as string);
    } catch (error) {
      notSettled(error);
    }
  };
  let deliveries: readonly Adopted[];
  let paused: boolean;
  try {
    [deliveries, paused] = await Promise.all([
      desk.backend.adopt(status, records.map(messageOf)),
      desk.backend.isPaused(status),
    ]);
  } catch (error) {
    notSettled(error);
    return [...left];
  }
  const lanes = lanesOf(deliveries, desk.fifo);
  const isSuspect = (lane: readonly Adopted[]) => lane.some(({ suspect }) => suspect);
  if (paused) await Promise.all(lanes.map(putOffLane));
  else {
    await Promise.all(lanes.filter((lane) => !isSuspect(lane)).map(serveLane));
    // One at a time: a handler that kills the function must not take an attempt from those beside it each time.
    for (const lane of lanes.filter(isSuspect)) await serveLane(lane);
  }
  // They were received and never begun: nobody should wait for their invisibility to end.
  const unbegun = deliveries.filter((delivery) => !begun.has(delivery));
  await Promise.all(
    unbegun.map((delivery) =>
      desk.backend.giveBack(delivery).catch((error: unknown) => {
        log.warn(
          { orderId: delivery.orderId, error: String(error) },
          "message not given back; it comes when its time is up",
        );
      }),
    ),
  );
  return [...left];
}

function messageOf({ messageId, receiptHandle, body, attributes }: SqsRecord) {
  return { MessageId: messageId, ReceiptHandle: receiptHandle, Body: body, Attributes: attributes };
}
