import { Worker } from "node:worker_threads";
import { CauceError, type ErrorCode } from "../../core/errors.ts";
import { createEncoder, type Encoder } from "./codec.ts";
import type { Answer, Opened, WriterData } from "./protocol.ts";

/** Somebody who waits for an operation. */
export interface Rejectable {
  reject(error: CauceError): void;
}

/** The way to the writer's thread. Operations that come while a batch is being written make the next batch. */
export interface Channel<W extends Rejectable> {
  readonly lastSeq: number;
  readonly nextDelayed: number | null;
  /** Write one operation here, then call `sent` with who waits for it. */
  readonly encoder: Encoder;
  sent(waiting: W): void;
  grant(status: string, more: number): void;
  /** Resolves once a batch that is sent from now on has been answered, with or without operations. */
  roundTrip(): Promise<void>;
  /** Sends a batch soon, even an empty one: what could not be claimed is tried again. */
  wake(): void;
  close(): Promise<void>;
}

interface ChannelOptions<W extends Rejectable> {
  readonly data: WriterData;
  readonly now: () => number;
  /** Called with every answer, in order, and whoever waits for its operations, in theirs. */
  readonly onAnswer: (waiting: readonly W[], answer: Answer) => void;
  /** The batch failed as a whole; whoever waited has been told. */
  readonly onFault: () => void;
}

// Two batches on their way keep the writer busy while this thread works on the answers to the first.
const batchesOnTheWay = 2;

export async function openChannel<W extends Rejectable>({
  data,
  now,
  onAnswer,
  onFault,
}: ChannelOptions<W>): Promise<Channel<W>> {
  const worker = new Worker(new URL(import.meta.resolve("#sqliteWriter")), {
    workerData: data,
    name: `cauce ${data.workflow}`,
  });
  const opened = await firstMessage(worker);
  if (!opened.opened) {
    await worker.terminate();
    throw new CauceError(opened.fault.code as ErrorCode, opened.fault.message);
  }

  const encoder = createEncoder();
  let pending: W[] = [];
  let grants: (string | number)[] = [];
  let trips: (() => void)[] = [];
  let forced = false;
  let scheduled = false;
  let closing: (() => void) | undefined;
  let broken: CauceError | undefined;
  const onTheWay: { pending: W[]; trips: (() => void)[] }[] = [];

  const flush = () => {
    scheduled = false;
    if (onTheWay.length >= batchesOnTheWay || (encoder.empty && grants.length === 0 && !forced)) return;
    worker.postMessage({ ops: encoder.take(), grants, now: now() });
    onTheWay.push({ pending, trips });
    pending = [];
    grants = [];
    trips = [];
    forced = false;
  };
  // Not at once: what the same turn of the event loop brings (requests, handlers that end) joins the batch.
  const schedule = () => {
    if (scheduled || onTheWay.length >= batchesOnTheWay) return;
    scheduled = true;
    setImmediate(flush);
  };

  const fail = (waiting: readonly W[], error: CauceError) => {
    for (const each of waiting) each.reject(error);
  };

  worker.on("message", (answer: Answer | "closed") => {
    if (answer === "closed") return;
    const batch = onTheWay.shift();
    if (batch === undefined) return;
    if (answer.fault !== undefined) {
      fail(batch.pending, new CauceError(answer.fault.code as ErrorCode, answer.fault.message));
      onFault();
    } else {
      onAnswer(batch.pending, answer);
    }
    for (const trip of batch.trips) trip();
    schedule();
  });

  worker.on("error", (error) => {
    broken = new CauceError(
      "store_unavailable",
      `the writer of ${data.file} ended: ${error.message}; restart the process`,
      { cause: error },
    );
  });
  worker.on("exit", () => {
    broken ??= new CauceError("closed", "the store is closed");
    for (const batch of onTheWay.splice(0)) {
      fail(batch.pending, broken);
      for (const trip of batch.trips) trip();
    }
    fail(pending, broken);
    for (const trip of trips) trip();
    pending = [];
    trips = [];
    closing?.();
  });

  const channel: Channel<W> = {
    lastSeq: opened.lastSeq,
    nextDelayed: opened.nextDelayed,
    encoder,
    sent(waiting) {
      if (broken !== undefined) {
        encoder.take();
        waiting.reject(broken);
        return;
      }
      pending.push(waiting);
      schedule();
    },
    grant(status, more) {
      if (more === 0) return;
      grants.push(status, more);
      schedule();
    },
    roundTrip() {
      if (broken !== undefined) return Promise.resolve();
      return new Promise((resolve) => {
        trips.push(resolve);
        forced = true;
        schedule();
      });
    },
    wake() {
      forced = true;
      schedule();
    },
    async close() {
      while (!encoder.empty || onTheWay.length > 0) await channel.roundTrip();
      if (broken !== undefined) return;
      await new Promise<void>((resolve) => {
        closing = resolve;
        worker.postMessage("close");
      });
    },
  };
  return channel;
}

function firstMessage(worker: Worker): Promise<Opened> {
  return new Promise((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
}
