import { MessageChannel, receiveMessageOnPort, Worker } from "node:worker_threads";
import { CauceError, type ErrorCode } from "../../core/errors.ts";
import { createEncoder, type Encoder } from "./batch/codec.ts";
import type { Batch, BatchResult, Opened, Request, WriterData } from "./batch/protocol.ts";

/** Somebody who waits for an operation. */
export interface Rejectable {
  reject(error: CauceError): void;
}

/** The way to the writer's thread. Operations that come while a batch is being written make the next batch. */
export interface Channel<W extends Rejectable> {
  /** Write one operation here, then call `sent` with who waits for it. */
  readonly encoder: Encoder;
  sent(waiting: W): void;
  grant(status: string, more: number): void;
  /** Resolves once a batch that is sent from now on has been answered, with or without operations. */
  roundTrip(): Promise<void>;
  /** Sends a batch soon, even an empty one: what could not be leased is tried again. */
  wake(): void;
  /** Resolves when everything sent has been answered. */
  settled(): Promise<void>;
  /** The writer's answer to the oldest batch on its way. */
  receive(answer: BatchResult): void;
  /** The writer is gone: whoever waits is told why, and so is whoever comes. */
  end(reason: CauceError): void;
}

interface ChannelOptions<W extends Rejectable> {
  readonly post: (batch: Batch) => void;
  /** Holds this thread until the answer to the only batch on its way is there; undefined when it takes longer. */
  readonly answerWithin: (milliseconds: number) => BatchResult | undefined;
  readonly now: () => number;
  /** Called with every answer, in order, and whoever waits for its operations, in theirs. */
  readonly onAnswer: (waiting: readonly W[], answer: BatchResult) => void;
  /** The batch failed as a whole; whoever waited has been told. */
  readonly onFault: () => void;
}

// One that is written, one that waits for it, and one more while this thread is still at the answers: measured.
const batchesOnTheWay = 3;
const fewOperations = 2;

// A single operation is answered in less than half a millisecond where a sync takes a fifth of one. Waiting for it here
// and now spares two turns of the event loop; where the disk is slower, a wait in vain is not repeated for a while.
const holdMilliseconds = 2;
const batchesUnheld = 20;

export function createChannel<W extends Rejectable>(options: ChannelOptions<W>): Channel<W> {
  const { post, answerWithin, now, onAnswer, onFault } = options;
  const encoder = createEncoder();
  let pending: W[] = [];
  let grants: (string | number)[] = [];
  let trips: (() => void)[] = [];
  let forced = false;
  let scheduled = false;
  let lastCount = 0;
  let unheld = 0;
  let ended: CauceError | undefined;
  const onTheWay: { pending: W[]; trips: (() => void)[] }[] = [];

  const flush = () => {
    scheduled = false;
    if (onTheWay.length >= batchesOnTheWay || (encoder.empty && grants.length === 0 && !forced)) return;
    post({ ops: encoder.take(), grants, now: now() });
    const count = pending.length;
    if (count > 0) lastCount = count;
    onTheWay.push({ pending, trips });
    pending = [];
    grants = [];
    trips = [];
    forced = false;
    if (onTheWay.length === 1 && count > 0 && count <= fewOperations) holdForAnswer();
  };
  // Not at once: what the same turn of the event loop brings (requests, handlers that end) joins the batch. When hardly
  // anything comes, nothing else is to be waited for, and the tick after this turn's promises is sooner (its microtasks,
  // since whoever receives asks for more in that same tick).
  const schedule = () => {
    if (scheduled || ended !== undefined || onTheWay.length >= batchesOnTheWay) return;
    scheduled = true;
    if (lastCount <= fewOperations && onTheWay.every(({ pending }) => pending.length === 0))
      process.nextTick(queueMicrotask, flush);
    else setImmediate(flush);
  };
  const holdForAnswer = () => {
    if (unheld > 0) {
      unheld--;
      return;
    }
    const answer = answerWithin(holdMilliseconds);
    if (answer === undefined) unheld = batchesUnheld;
    else channel.receive(answer);
  };
  const fail = (waiting: readonly W[], error: CauceError) => {
    for (const each of waiting) each.reject(error);
  };

  const channel: Channel<W> = {
    encoder,
    sent(waiting) {
      if (ended !== undefined) {
        encoder.take();
        waiting.reject(ended);
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
      if (ended !== undefined) return Promise.resolve();
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
    async settled() {
      while (ended === undefined && (!encoder.empty || onTheWay.length > 0)) await channel.roundTrip();
    },
    receive(answer) {
      const batch = onTheWay.shift();
      if (batch === undefined) return;
      if (answer.fault !== undefined) {
        fail(batch.pending, new CauceError(answer.fault.code as ErrorCode, answer.fault.message));
        onFault();
      } else onAnswer(batch.pending, answer);
      for (const trip of batch.trips) trip();
      schedule();
    },
    end(reason) {
      if (ended !== undefined) return;
      ended = reason;
      for (const batch of [...onTheWay.splice(0), { pending, trips }]) {
        fail(batch.pending, reason);
        for (const trip of batch.trips) trip();
      }
      pending = [];
      trips = [];
      encoder.take();
    },
  };
  return channel;
}

/** The writer's thread. */
export interface WriterWorker {
  readonly nextDelayed: number | null;
  post(batch: Batch): void;
  /** Holds this thread until the answer to the only batch on its way is there; undefined when it takes longer. */
  answerWithin(milliseconds: number): BatchResult | undefined;
  onAnswer(listener: (answer: BatchResult) => void): void;
  /** Called once, when the thread is gone. */
  onEnd(listener: (reason: CauceError) => void): void;
  close(): Promise<void>;
}

/** Starts the thread and waits until it has opened the store. Rejects with what kept it from that. */
export async function startWriter(data: Omit<WriterData, "port" | "answered">): Promise<WriterWorker> {
  const { port1: port, port2 } = new MessageChannel();
  const answered = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  const worker = new Worker(new URL(import.meta.resolve("#sqliteWriter")), {
    workerData: { ...data, port: port2, answered } satisfies WriterData,
    transferList: [port2],
    // Batches come and go; a larger young generation would only keep more of their garbage.
    resourceLimits: { maxYoungGenerationSizeMb: 8 },
    name: `cauce ${data.workflow}`,
    execArgv: conditionsOf(process.execArgv),
  });
  const opened = await new Promise<Opened>((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
  if (!opened.opened) {
    await worker.terminate();
    throw new CauceError(opened.fault.code as ErrorCode, opened.fault.message);
  }
  let reason = new CauceError("closed", "the store is closed");
  worker.on("error", (cause) => {
    const message = `the writer of ${data.file} ended: ${cause.message}; restart the process`;
    reason = new CauceError("store_unavailable", message, { cause });
  });
  const exited = new Promise<void>((resolve) => worker.once("exit", () => resolve()));

  let posted = 0;

  return {
    nextDelayed: opened.nextDelayed,
    post(batch) {
      port.postMessage(batch satisfies Request);
      posted = (posted + 1) | 0;
    },
    answerWithin(milliseconds) {
      // The writer counts an answer just after it has sent it, so the first count may still be of the one before.
      for (let seen = Atomics.load(answered, 0); seen !== posted; seen = Atomics.load(answered, 0))
        if (Atomics.wait(answered, 0, seen, milliseconds) === "timed-out") break;
      return receiveMessageOnPort(port)?.message as BatchResult | undefined;
    },
    onAnswer: (listener) => port.on("message", listener),
    onEnd: (listener) => void exited.then(() => listener(reason)),
    close() {
      port.postMessage("close" satisfies Request);
      return exited;
    },
  };
}

/** Of Node's own flags those that say where modules are found; others may be for a main program alone, as `--eval` is. */
function conditionsOf(flags: readonly string[]): string[] {
  return flags.filter(
    (flag, index) => /^(?:-C|--conditions)(?:=|$)/.test(flag) || /^(?:-C|--conditions)$/.test(flags[index - 1] ?? ""),
  );
}
