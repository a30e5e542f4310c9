import { type Lease, resourceNames } from "../backend/aws/index.ts";
import type { App, Log } from "../core/handlers.ts";
import { type HandledStatus, handledStatuses, leaseSecondsOf, statusOf, timeoutSecondsOf } from "../core/workflow.ts";
import type { Attempt } from "../engine/attempt.ts";
import { jsonLog } from "../engine/log.ts";
import { type Observer, unobserved } from "../engine/telemetry/observer.ts";
import { cauceVariables, functionName } from "../node/settings.ts";
import { createFigures, type Figures } from "./metrics.ts";
import {
  type Invocation,
  type LambdaSettings,
  lambdaSettings,
  type OpenEngine,
  openEngines,
  openOnce,
} from "./open.ts";

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
interface StatusProcessor {
  readonly workflow: string;
  readonly status: string;
  readonly timeoutSeconds: number;
  readonly leaseSeconds: number;
  readonly backend: OpenEngine["backend"];
  readonly attempt: Attempt;
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
  const log = jsonLog((line) => process.stdout.write(line));
  const settings = lambdaSettings(cauceVariables());
  const figures = createFigures(settings, (line) => process.stdout.write(line));
  const open = openOnce(() => openProcessors(apps, settings, log, figures));
  return async ({ Records }, invocation) => {
    const processors = await open();
    const failed = await Promise.all(
      [...batchesOf(Records)].map(async (batch) => {
        const processor = processorOf(batch, processors, log);
        const ids = processor === undefined ? idsOf(batch) : await serve(batch, processor, invocation, log);
        if (processor !== undefined) figures.add("MessagesNotDone", ids.length, processor);
        return ids;
      }),
    );
    figures.write();
    return { batchItemFailures: failed.flat().map((itemIdentifier) => ({ itemIdentifier })) };
  };
}

async function openProcessors(
  apps: App | readonly App[],
  settings: LambdaSettings,
  log: Log,
  figures: Figures,
): Promise<ReadonlyMap<string, StatusProcessor>> {
  const processors = new Map<string, StatusProcessor>();
  const observerOf = (workflow: string) => attemptObserver(workflow, figures);
  for (const { app, engine, backend } of await openEngines(apps, settings, { log, name: functionName(), observerOf })) {
    const { workflow } = app;
    const names = resourceNames(workflow.name, settings.stage, settings.delivery);
    const attempt = await engine.attend();
    for (const status of handledStatuses(workflow)) {
      const definition = statusOf(workflow, status) as HandledStatus;
      processors.set(names.queue(status), {
        ...{ workflow: workflow.name, status, backend, attempt, fifo: settings.delivery === "fifo" },
        timeoutSeconds: timeoutSecondsOf(definition),
        leaseSeconds: leaseSecondsOf(definition),
      });
    }
  }
  return processors;
}

const metricOf = { moved: "AttemptsMoved", retried: "AttemptsRetried", failed: "AttemptsFailed" } as const;

/** Counts what the attempts of one workflow came to. */
function attemptObserver(workflow: string, figures: Figures): Observer {
  return {
    ...unobserved,
    changed({ before: { status } }, attempt) {
      if (attempt === undefined) return;
      figures.add(metricOf[attempt.outcome], 1, { workflow, status });
      figures.add("AttemptMilliseconds", attempt.milliseconds, { workflow, status });
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
function lanesOf(deliveries: readonly Lease[], fifo: boolean): readonly (readonly Lease[])[] {
  if (!fifo) return deliveries.map((delivery) => [delivery]);
  const lanes = new Map<string | null, Lease[]>();
  for (const delivery of deliveries) lanes.set(delivery.groupId, [...(lanes.get(delivery.groupId) ?? []), delivery]);
  return [...lanes.values()];
}

const idsOf = (records: readonly SqsRecord[]) => records.map(({ messageId }) => messageId);

/** What serves the queue that the records came from, if anything does. */
function processorOf(
  records: readonly SqsRecord[],
  processors: ReadonlyMap<string, StatusProcessor>,
  log: Log,
): StatusProcessor | undefined {
  const queue = records[0]?.eventSourceARN.split(":").at(-1) ?? "";
  const processor = processors.get(queue);
  if (processor === undefined)
    log.error({ queue }, "this function has no handler for the queue; its messages come again");
  return processor;
}

/** Serves one queue's records, and gives the ids of those that are not done. */
async function serve(
  records: readonly SqsRecord[],
  processor: StatusProcessor,
  invocation: Invocation,
  log: Log,
): Promise<string[]> {
  const { workflow, status } = processor;
  const left = new Set(idsOf(records));
  const notSettled = (error: unknown): void => {
    log.error({ workflow, status, error: String(error) }, "delivery not settled; it comes again");
  };
  const begun = new Set<Lease>();
  const leaseEndsAt = Date.now() + processor.leaseSeconds * 1_000;
  const serveLane = async (lane: readonly Lease[]): Promise<void> => {
    try {
      for (const delivery of lane) {
        if (invocation.getRemainingTimeInMillis() < processor.timeoutSeconds * 1_000 + afterMilliseconds) return;
        begun.add(delivery);
        const verdict = await processor.attempt({ ...delivery, requestId: invocation.awsRequestId }, () => {});
        if (verdict === undefined) return;
        if (!verdict.consumed) await processor.backend.settle(delivery, verdict);
        // Past its lease a delivery is known no more and no new message was sent, so the old one must not go.
        if (verdict.verdict === "again" && (processor.fifo || Date.now() >= leaseEndsAt)) return;
        left.delete(delivery.messageId as string);
      }
    } catch (error) {
      notSettled(error);
    }
  };
  const putOffLane = async ([first]: readonly Lease[]): Promise<void> => {
    if (first === undefined) return;
    begun.add(first);
    try {
      const notBefore = Date.now() + pausedSeconds[processor.fifo ? "fifo" : "standard"] * 1_000;
      await processor.backend.settle(first, { verdict: "again", notBefore });
      if (!processor.fifo) left.delete(first.messageId as string);
    } catch (error) {
      notSettled(error);
    }
  };
  let deliveries: readonly Lease[];
  let paused: boolean;
  try {
    [deliveries, paused] = await Promise.all([
      processor.backend.acceptFromEventSource(status, records.map(messageOf)),
      processor.backend.isPaused(status),
    ]);
  } catch (error) {
    notSettled(error);
    return [...left];
  }
  const lanes = lanesOf(deliveries, processor.fifo);
  const isSuspect = (lane: readonly Lease[]) => lane.some(({ suspect }) => suspect);
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
      processor.backend.giveBack(delivery).catch((error: unknown) => {
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
