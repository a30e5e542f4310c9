import { join, resolve } from "node:path";
import type { Clock } from "../../core/clock.ts";
import { readNumbers } from "../../core/cursor.ts";
import { CauceError } from "../../core/errors.ts";
import type { StoredOrder } from "../../core/order.ts";
import { guarded } from "../guard.ts";
import { firstSeqOf, seqOf } from "../ids.ts";
import { refuseSize } from "../newOrder.ts";
import type {
  Backend,
  BackendFactoryOptions,
  Depth,
  Limits,
  LocatedBackend,
  NewOrder,
  OldOrders,
  Placed,
} from "../port.ts";
import { encodeCommit, encodePlace, op, released, type Unsuccessful } from "./batch/protocol.ts";
import { createEntryWriter } from "./batch/row.ts";
import { type Channel, createChannel, startWriter } from "./channel.ts";
import { createLeases, type Leases } from "./deliveries.ts";
import { handOut, type PendingOperation, tellAnswer } from "./pending.ts";
import { openReader, type Reader } from "./reads.ts";
import { lockData, makeDirectory, storeFault } from "./storeFiles.ts";

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
    const leases = createLeases({
      clock,
      grant: (status, more) => channel.grant(status, more),
      roundTrip: () => channel.roundTrip(),
      onLeaseEnd: (seq, visit) => operate(op.release, seq, visit, released.leaseEnded),
    });
    /** Leased and never handed out: nobody began it, so it goes back as it was. */
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
    const channel = createChannel<PendingOperation>({
      post: writer.post,
      answerWithin: writer.answerWithin,
      now: clock.now,
      onAnswer(waiting, answer) {
        tellAnswer(waiting, answer, leases, (unsuccessful, newOrder) => placedBefore(unsuccessful, newOrder, backend));
        handOut(waiting, answer, leases);
        if (waiting.length > 0) onBatch?.(waiting.length, answer.milliseconds);
        if (answer.nextDelayed !== undefined) promoteAt(answer.nextDelayed);
      },
      // What was asked for is still asked for: the writer tries to lease again.
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
    const front = createFront({ file, limits, clock, channel, leases, reader, giveBack });
    const close = async (): Promise<void> => {
      isClosing = true;
      leases.close();
      timers.close();
      // What was leased before the writer heard of it is here once everything is answered.
      await channel.settled();
      giveBack(leases.takeSpare());
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
  unsuccessful: Unsuccessful,
  newOrder: NewOrder,
  { get, place }: Pick<Backend, "get" | "place">,
): Promise<Placed> {
  if (unsuccessful.is !== "conflict" && unsuccessful.is !== "repeated")
    throw new CauceError("internal_error", `a placing was answered as ${unsuccessful.is}`);
  if (unsuccessful.is === "conflict") return { outcome: "conflict", orderId: unsuccessful.orderId };
  const order = await get(unsuccessful.orderId);
  if (order !== undefined) return { outcome: "repeated", order };
  // It was removed since, and its key with it.
  return place(newOrder);
}

interface FrontOptions {
  readonly file: string;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly channel: Channel<PendingOperation>;
  readonly leases: Leases;
  readonly reader: Reader;
  /** Gives back what was leased and never handed out. */
  readonly giveBack: (spare: readonly { seq: number; visit: number }[]) => void;
}

/** The port, over the writer's thread for what changes and this thread's own connection for what is read. */
export function createFront({
  file,
  limits,
  clock,
  channel,
  leases,
  reader,
  giveBack,
}: FrontOptions): Omit<Backend, "close"> {
  const { encoder } = channel;
  const json = createEntryWriter();

  const read = async <T>(how: () => T): Promise<T> => {
    try {
      return how();
    } catch (error) {
      throw storeFault(error, file);
    }
  };
  const write = (encode: () => void): Promise<void> =>
    new Promise<void>((resolve, reject) => {
      encode();
      channel.sent({ is: "other", resolve, reject });
    });

  /** Queues the order's delivery if it has none. */
  const redeliver = ({ id, visit }: StoredOrder): Promise<void> => {
    const seq = seqOf(id);
    if (seq === undefined) return Promise.resolve();
    return write(() => {
      encoder.number(op.redeliver);
      encoder.number(seq);
      encoder.number(visit);
    });
  };

  const removeOld = ({ before, limit, cursor }: OldOrders): ReturnType<Backend["remove"]> => {
    const [after = -1] = cursor === undefined ? [] : readNumbers(cursor, "a removal", "after", 1);
    return new Promise((resolve, reject) => {
      encoder.number(op.removeFinal);
      encoder.number(after);
      // Placed later, so changed later too.
      encoder.number(firstSeqOf(before));
      encoder.number(before);
      encoder.number(limit);
      channel.sent({ is: "remove", resolve, reject });
    });
  };

  const depthsNow = (): Depth[] =>
    reader.depths().map((depth) => {
      // Leased for a receive that has ended: that is still to be received.
      const spare = depth.kind === "handled" ? leases.spareOf(depth.status) : 0;
      return { ...depth, waiting: depth.waiting + spare, inFlight: depth.inFlight - spare };
    });

  return {
    limits,

    get(id) {
      const order = leases.orderOf(id);
      return order === undefined ? read(() => reader.get(id)) : Promise.resolve(order);
    },

    place(order) {
      const refused = refuseSize(order, limits);
      if (refused !== undefined) return Promise.reject(refused);
      return new Promise((resolve, reject) => {
        encodePlace(encoder, json, order);
        channel.sent({ is: "place", newOrder: order, resolve, reject });
      });
    },

    commit(change) {
      const { id } = change.before;
      const leasedSeq = leases.seqOf(id);
      const seq = leasedSeq ?? seqOf(id);
      if (seq === undefined) return Promise.resolve("stale");
      return new Promise((resolve, reject) => {
        encodeCommit(encoder, json, seq, leasedSeq === undefined ? id : "", change);
        channel.sent({ is: "commit", order: change.after, seq, keep: change.delivery === "keep", resolve, reject });
      });
    },

    receive: leases.receive,

    settle(delivery, verdict) {
      const out = leases.outOf(delivery);
      const again = verdict.verdict === "superseded" ? redeliver(verdict.by) : undefined;
      if (out === undefined) return again ?? Promise.resolve();
      // Held until it is written: where the store refuses, the lease is what brings it back. What it is superseded by
      // is written before it in the same batch, so the two have one fate.
      const settled = write(() => {
        encoder.number(verdict.verdict === "again" ? op.settleAgain : op.settleDone);
        encoder.number(out.seq);
        encoder.number(delivery.visit);
        if (verdict.verdict === "again") encoder.number(Math.ceil(verdict.notBefore));
      }).then(() => leases.settled(delivery));
      return again === undefined ? settled : Promise.all([again, settled]).then(() => {});
    },

    async keep(note) {
      if (note.is === "probe") return write(() => encoder.number(op.probe));
      const { status, paused } = note;
      await write(() => {
        encoder.number(paused ? op.pause : op.resume);
        encoder.text(status);
      });
      if (paused) giveBack(leases.takeSpare(status));
    },

    async remove(which) {
      if (!("id" in which)) return removeOld(which);
      const { id } = which;
      const seq = seqOf(id);
      if (seq === undefined) return { removed: 0, nextCursor: null };
      return new Promise((resolve, reject) => {
        encoder.number(op.remove);
        encoder.number(seq);
        encoder.text(id);
        channel.sent({ is: "remove", resolve, reject });
      });
    },

    list: (query) => read(() => reader.list(query)),
    sweep: (query) => read(() => reader.sweep(query, clock.now())),
    counts: ({ depths = false, failures = false }) =>
      read(() => ({ depths: depths ? depthsNow() : [], failures: failures ? reader.failures() : [] })),
  };
}

/** Timers that end together. */
export function createTimers(clock: Clock) {
  const pending = new Set<() => void>();
  let closed = false;

  const at = (atMilliseconds: number, callback: () => void): (() => void) => {
    if (closed) return () => {};
    const cancel = clock.at(atMilliseconds, () => {
      pending.delete(cancel);
      callback();
    });
    pending.add(cancel);
    return () => {
      pending.delete(cancel);
      cancel();
    };
  };

  return {
    at,
    after: (seconds: number, callback: () => void) => at(clock.now() + seconds * 1_000, callback),
    close() {
      closed = true;
      for (const cancel of pending) cancel();
      pending.clear();
    },
  };
}
