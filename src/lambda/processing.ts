import { type AwsBackend, type Lease, resourceNames } from "../backend/aws/index.ts";
import type { App, Log } from "../core/handlers.ts";
import { textOf } from "../core/reasons.ts";
import { handledStatus, handledStatuses, timeoutSecondsOf } from "../core/workflow.ts";
import type { AppCode } from "../engine/appCode.ts";
import type { RunAttempt } from "../engine/attempt.ts";
import { noObserver, type Observer } from "../engine/context.ts";
import type { FunctionSettings } from "../node/settings.ts";
import type { FunctionMetrics } from "./metrics.ts";
import { type Invocation, openOnAws, openOnce, startFunction } from "./open.ts";

/** What an event source mapping of SQS hands to a function. */
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

/** Serves the queue of one status. */
interface StatusProcessor {
  readonly workflow: string;
  readonly status: string;
  readonly timeoutSeconds: number;
  readonly backend: AwsBackend;
  readonly attempt: RunAttempt;
  /** In FIFO delivery the message itself comes again; in standard delivery a new message takes its place. */
  readonly fifo: boolean;
}

/**
 * How long a message of a paused status is put off, since the event source brings it all the same. Standard delivery
 * sends a new message. FIFO delivery hides the same message, of which SQS allows 1,000 receives: at 900 s each, a pause
 * may last 10 days.
 */
const pausedSeconds = { standard: 60, fifo: 900 };

/** How long the commit and the publish take after the handler. */
const afterMilliseconds = 1_000;

/**
 * Makes the handler of a processing function. It serves a standard batch at once; in FIFO delivery it serves the groups
 * at once, and the messages of each group in turn. A message that may have killed a function is served after the others,
 * alone. Nothing starts with less than the status's `timeoutSeconds` left. A message that is not done is reported as
 * failed; the messages behind it in its group are reported, too, and go back at once.
 */
export function processingHandler(
  apps: App | readonly App[],
): (event: SqsEvent, invocation: Invocation) => Promise<SqsAnswer> {
  const { settings, log, metrics, rejections } = startFunction();
  const open = openOnce(async () => {
    const { processors, appCode } = await openProcessors(apps, settings, log, metrics);
    rejections.appCode = appCode;
    return processors;
  });
  return async ({ Records }, invocation) => {
    const processors = await open();
    const byQueue = Map.groupBy(Records, ({ eventSourceARN }) => eventSourceARN);
    const failed = await Promise.all(
      [...byQueue.values()].map(async (batch) => {
        const processor = processorOf(batch, processors, log);
        const ids = processor === undefined ? idsOf(batch) : await serve(batch, processor, invocation, log);
        if (processor !== undefined) metrics.add("MessagesNotDone", ids.length, processor);
        return ids;
      }),
    );
    metrics.write();
    return { batchItemFailures: failed.flat().map((itemIdentifier) => ({ itemIdentifier })) };
  };
}

async function openProcessors(
  apps: App | readonly App[],
  settings: FunctionSettings,
  log: Log,
  metrics: FunctionMetrics,
): Promise<{ readonly processors: ReadonlyMap<string, StatusProcessor>; readonly appCode: AppCode }> {
  const processors = new Map<string, StatusProcessor>();
  const { workflows, appCode } = await openOnAws(apps, settings, log, (workflow) => attemptObserver(workflow, metrics));
  for (const { engine, backend } of workflows) {
    const { workflow } = engine;
    const names = resourceNames(workflow.name, settings.stage, settings.delivery);
    const attempt = await engine.openAttempts();
    for (const status of handledStatuses(workflow)) {
      processors.set(names.queue(status), {
        ...{ workflow: workflow.name, status, backend, attempt, fifo: settings.delivery === "fifo" },
        timeoutSeconds: timeoutSecondsOf(handledStatus(workflow, status)),
      });
    }
  }
  return { processors, appCode };
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
    rejected: (status) => metrics.add("UnhandledRejections", 1, { workflow, status }),
    blocked: (status) => metrics.add("EventLoopBlocks", 1, { workflow, status }),
  };
}

/** The leases that are served in turn: in FIFO delivery those of a group, in standard delivery each alone. */
function groupsOf(leases: readonly Lease[], fifo: boolean): readonly (readonly Lease[])[] {
  return [...Map.groupBy(leases, (lease) => (fifo ? lease.groupId : lease.receipt)).values()];
}

const idsOf = (records: readonly SqsRecord[]) => records.map(({ messageId }) => messageId);

/** The processor of the queue that the records came from; undefined where this function has no handler for it. */
function processorOf(
  records: readonly SqsRecord[],
  processors: ReadonlyMap<string, StatusProcessor>,
  log: Log,
): StatusProcessor | undefined {
  const queue = records[0]?.eventSourceARN.split(":").at(-1) ?? "";
  const found = processors.get(queue);
  if (found === undefined) log.error({ queue }, "this function has no handler for the queue; its messages come again");
  return found;
}

/** Serves the records of one queue, and gives the ids of those that are not done. */
async function serve(
  records: readonly SqsRecord[],
  { workflow, status, timeoutSeconds, backend, attempt, fifo }: StatusProcessor,
  invocation: Invocation,
  log: Log,
): Promise<string[]> {
  const left = new Set(idsOf(records));
  const begun = new Set<Lease>();
  const notSettled = (error: unknown): void => {
    log.error({ workflow, status, error: textOf(error) }, "delivery not settled; it comes again");
  };

  /** Tries a delivery. True where its message is done, so that the event source deletes it. */
  const tryOne = async (lease: Lease): Promise<boolean> => {
    const settlement = await attempt(lease, () => {}, invocation.awsRequestId);
    if (settlement === undefined) return false;
    if (!settlement.consumed) await backend.settle(lease, settlement);
    // Once the lease has ended, the backend sends no new message, so the old one must come back.
    return settlement.verdict !== "again" || (!fifo && Date.now() < lease.endsAt);
  };

  const putOff = async (lease: Lease): Promise<boolean> => {
    const notBefore = Date.now() + pausedSeconds[fifo ? "fifo" : "standard"] * 1_000;
    await backend.settle(lease, { verdict: "again", notBefore });
    return !fifo;
  };

  const serveGroup = async (group: readonly Lease[], paused: boolean): Promise<void> => {
    try {
      for (const lease of group) {
        const remaining = invocation.getRemainingTimeInMillis();
        if (!paused && remaining < timeoutSeconds * 1_000 + afterMilliseconds) return;
        begun.add(lease);
        if (!(await (paused ? putOff(lease) : tryOne(lease)))) return;
        left.delete(lease.messageId as string);
      }
    } catch (error) {
      notSettled(error);
    }
  };

  const giveBack = async (lease: Lease): Promise<void> => {
    try {
      await backend.giveBack(lease);
    } catch (error) {
      const fields = { orderId: lease.orderId, error: textOf(error) };
      log.warn(fields, "message not given back; it comes when its time is up");
    }
  };

  try {
    const [leases, paused] = await Promise.all([
      backend.acceptFromEventSource(status, records.map(messageOf)),
      backend.isPaused(status),
    ]);
    const isSuspect = (group: readonly Lease[]) => !paused && group.some(({ suspect }) => suspect);
    const groups = groupsOf(leases, fifo);
    await Promise.all(groups.filter((group) => !isSuspect(group)).map((group) => serveGroup(group, paused)));
    // One at a time: a handler that kills the function must not take an attempt from the orders beside it each time.
    for (const group of groups.filter(isSuspect)) await serveGroup(group, paused);
    // A message that was received and never begun must not stay hidden until its lease ends.
    await Promise.all(leases.filter((lease) => !begun.has(lease)).map(giveBack));
  } catch (error) {
    notSettled(error);
  }
  return [...left];
}

function messageOf({ messageId, receiptHandle, body, attributes }: SqsRecord) {
  return { MessageId: messageId, ReceiptHandle: receiptHandle, Body: body, Attributes: attributes };
}
