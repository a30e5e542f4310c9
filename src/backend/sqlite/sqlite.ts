import { join, resolve } from "node:path";
import { CauceError } from "../../core/errors.ts";
import type { Backend, BackendFactoryOptions, Limits, LocatedBackend, NewOrder, Placed } from "../backend.ts";
import { guarded } from "../guard.ts";
import { seqOf } from "../ids.ts";
import { handOut, tellAnswer, type Waiting } from "./answers.ts";
import { createChannel } from "./channel.ts";
import { createClaims } from "./claims.ts";
import { makeDirectory } from "./directory.ts";
import { storeFault } from "./faults.ts";
import { createFront } from "./front.ts";
import { lockData } from "./lock.ts";
import { type Exception, op, released } from "./protocol.ts";
import { openReader, type Reader } from "./reader.ts";
import { createTimers } from "./timers.ts";
import { startWriter } from "./writerWorker.ts";

export interface SqliteOptions {
  /** Where the data lies: a database file for each workflow. Made if it is missing. */
  readonly directory: string;
}

export interface SqliteBackend extends LocatedBackend {
  /** Rejects with `store_unavailable` when the writer's thread ends by itself; only a new process helps then. */
  readonly failed: Promise<never>;
}

const limits: Limits = {
  longestDelaySeconds: Number.POSITIVE_INFINITY,
  // A row of SQLite holds a gigabyte; this is what one process can still read, check and write without a long pause.
  dataBytesMax: 16_777_216,
  groupBytesMax: 1_024,
  sweepSeconds: Number.POSITIVE_INFINITY,
  timingSeconds: 0.1,
  longestWaitSeconds: Number.POSITIVE_INFINITY,
  concurrency: { least: 1, most: 10_000, default: 100 },
};

const retryAfterFaultSeconds = 1;

/**
 * The embedded backend: one SQLite file for each workflow, written by a thread of its own, owned by one process.
 * Rejects with `data_in_use`, `store_unreadable`, `store_corrupt`, `store_too_new`, `store_mismatch`.
 */
export function sqlite({ directory }: SqliteOptions): (options: BackendFactoryOptions) => Promise<SqliteBackend> {
  return async ({ workflow, delivery, clock, onBatch }) => {
    const folder = resolve(directory);
    const file = join(folder, `${workflow}.db`);
    makeDirectory(folder);
    const lock = lockData(join(folder, `${workflow}.lock`), folder);
    const timers = createTimers(clock);

    /** An operation of one code and up to three numbers that nobody waits for; after a fault it is sent again. */
    const operate = (...fields: number[]): void => {
      for (const field of fields) channel.encoder.number(field);
      channel.sent({
        is: "other",
        resolve() {},
        reject: () => timers.after(retryAfterFaultSeconds, () => operate(...fields)),
      });
    };
    const claims = createClaims({
      clock,
      grant: (status, more) => channel.grant(status, more),
      roundTrip: () => channel.roundTrip(),
      onLeaseEnd: (seq, visit) => operate(op.release, seq, visit, released.leaseEnded),
    });
    /** Claimed and never handed out: nobody began it, so it goes back as it was. */
    const giveBack = (spare: readonly { seq: number; visit: number }[]): void => {
      for (const { seq, visit } of spare) operate(op.release, seq, visit, released.asItWas);
    };
    let cancelPromotion: (() => void) | undefined;
    const promoteAt = (at: number | null) => {
      cancelPromotion?.();
      cancelPromotion = at === null ? undefined : timers.at(at, () => operate(op.promote));
    };
    const faulty = (error: unknown): never => {
      lock.release();
      throw storeFault(error, file);
    };
    let isClosing = false;
    const writer = await startWriter({ file, workflow, fifo: delivery === "fifo" }).catch(faulty);
    const channel = createChannel<Waiting>({
      post: writer.post,
      answerWithin: writer.answerWithin,
      now: clock.now,
      onAnswer(waiting, answer) {
        tellAnswer(waiting, answer, claims, (exception, newOrder) => placedBefore(exception, newOrder, backend));
        handOut(waiting, answer, claims);
        if (waiting.length > 0) onBatch?.(waiting.length, answer.milliseconds);
        if (answer.nextDelayed !== undefined) promoteAt(answer.nextDelayed);
      },
      // What was asked for is still asked for: the writer tries to claim again.
      onFault: () => timers.after(retryAfterFaultSeconds, () => channel.wake()),
    });
    writer.onAnswer(channel.receive);
    writer.onEnd(channel.end);
    const failed = new Promise<never>((_, reject) => {
      writer.onEnd((reason) => isClosing || reject(reason));
    });
    // Whoever runs the process hears of it; a library's user learns it from the calls that are rejected.
    failed.catch(() => {});
    let reader: Reader;
    try {
      reader = openReader(file);
    } catch (error) {
      await writer.close();
      return faulty(error);
    }
    const front = createFront({ file, limits, clock, channel, claims, reader, giveBack });
    const close = async (): Promise<void> => {
      isClosing = true;
      claims.close();
      timers.close();
      // What was claimed before the writer heard of it is here once everything is answered.
      await channel.settled();
      giveBack(claims.takeSpare());
      await channel.settled();
      // The last connection to close folds the write-ahead log into the file, which one that only reads cannot.
      reader.close();
      await writer.close();
      lock.release();
    };
    const backend = guarded<Backend>({ ...front, close }, "the store is closed; nothing was written");
    promoteAt(writer.nextDelayed);

    return {
      ...backend,
      failed,
      where(id) {
        const seq = seqOf(id);
        return { store: "sqlite", file, table: "orders", key: seq === undefined ? { id } : { seq } };
      },
    };
  };
}

async function placedBefore(
  exception: Exception,
  newOrder: NewOrder,
  { get, place }: Pick<Backend, "get" | "place">,
): Promise<Placed> {
  if (exception.is !== "conflict" && exception.is !== "repeated")
    throw new CauceError("internal_error", `a placing was answered as ${exception.is}`);
  if (exception.is === "conflict") return { outcome: "conflict", orderId: exception.orderId };
  const order = await get(exception.orderId);
  if (order !== undefined) return { outcome: "repeated", order };
  // It was removed since, and its key with it.
  return place(newOrder);
}
