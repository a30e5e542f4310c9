import { Worker } from "node:worker_threads";
import { CauceError, type ErrorCode } from "../../core/errors.ts";
import type { Answer, Exception, Field, Opened, WriterData } from "./protocol.ts";

/** Somebody who waits for an operation. */
export interface Pending {
  done(exception: Exception | undefined): void;
  failed(error: CauceError): void;
}

export interface Sent {
  readonly pending: readonly Pending[];
  readonly answer: Answer;
}

/** The way to the writer's thread. Operations that come while a batch is being written make the next batch. */
export interface Channel {
  readonly lastSeq: number;
  readonly nextDelayed: number | null;
  /** Add the fields of one operation here, then call `sent` with who waits for it. */
  readonly ops: Field[];
  readonly sent: (pending: Pending) => void;
  grant(status: string, more: number): void;
  /** Resolves once a batch that is sent from now on has been answered, with or without operations. */
  roundTrip(): Promise<void>;
  /** Sends a batch soon, even an empty one: what could not be claimed is tried again. */
  wake(): void;
  close(): Promise<void>;
}

interface ChannelOptions {
  readonly data: WriterData;
  readonly now: () => number;
  /** Called with every answer, in order, before anybody who waits hears of it. */
  readonly onAnswer: (sent: Sent) => void;
  /** The batch failed as a whole; whoever waited has been told. */
  readonly onFault: () => void;
}

// Two batches on their way keep the writer busy while this thread works on the answers to the first.
const batchesOnTheWay = 2;

export async function openChannel({ data, now, onAnswer, onFault }: ChannelOptions): Promise<Channel> {
  const worker = new Worker(new URL(import.meta.resolve("#sqliteWriter")), {
    workerData: data,
    name: `cauce ${data.workflow}`,
  });
  const opened = await firstMessage(worker);
  if (!opened.opened) {
    await worker.terminate();
    throw new CauceError(opened.fault.code as ErrorCode, opened.fault.message);
  }

  let ops: Field[] = [];
  let pending: Pending[] = [];
  let grants: Field[] = [];
  let trips: (() => void)[] = [];
  let forced = false;
  let scheduled = false;
  let closing: (() => void) | undefined;
  let broken: CauceError | undefined;
  const onTheWay: { pending: Pending[]; trips: (() => void)[] }[] = [];

  const flush = () => {
    scheduled = false;
    if (onTheWay.length >= batchesOnTheWay || (ops.length === 0 && grants.length === 0 && !forced)) return;
    worker.postMessage({ ops, grants, now: now() });
    onTheWay.push({ pending, trips });
    ops = [];
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

  const fail = (waiting: readonly Pending[], error: CauceError) => {
    for (const each of waiting) each.failed(error);
  };

  worker.on("message", (answer: Answer | "closed") => {
    if (answer === "closed") return;
    const batch = onTheWay.shift();
    if (batch === undefined) return;
    if (answer.fault !== undefined) {
      fail(batch.pending, new CauceError(answer.fault.code as ErrorCode, answer.fault.message));
      onFault();
    } else {
      onAnswer({ pending: batch.pending, answer });
      const exceptions =
        answer.exceptions.length === 0 ? undefined : new Map(answer.exceptions.map((each) => [each.index, each]));
      for (let index = 0; index < batch.pending.length; index++) batch.pending[index]?.done(exceptions?.get(index));
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
    ops = [];
    pending = [];
    trips = [];
    closing?.();
  });

  const channel: Channel = {
    lastSeq: opened.lastSeq,
    nextDelayed: opened.nextDelayed,
    get ops() {
      return ops;
    },
    sent(waiting) {
      if (broken !== undefined) {
        ops.length = 0;
        waiting.failed(broken);
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
      while (ops.length > 0 || onTheWay.length > 0) await channel.roundTrip();
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
