import { CauceError, type ErrorCode } from "../../core/errors.ts";
import { createEncoder, type Encoder } from "./codec.ts";
import type { Answer, Batch } from "./protocol.ts";

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
  /** Sends a batch soon, even an empty one: what could not be claimed is tried again. */
  wake(): void;
  /** Resolves when everything sent has been answered. */
  settled(): Promise<void>;
  /** The writer's answer to the oldest batch on its way. */
  receive(answer: Answer): void;
  /** The writer is gone: whoever waits is told why, and so is whoever comes. */
  end(reason: CauceError): void;
}

interface ChannelOptions<W extends Rejectable> {
  readonly post: (batch: Batch) => void;
  /** Holds this thread until the answer to the only batch on its way is there; undefined when it takes longer. */
  readonly answerWithin: (milliseconds: number) => Answer | undefined;
  readonly now: () => number;
  /** Called with every answer, in order, and whoever waits for its operations, in theirs. */
  readonly onAnswer: (waiting: readonly W[], answer: Answer) => void;
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
