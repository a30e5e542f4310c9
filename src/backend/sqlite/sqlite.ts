import { join, resolve } from "node:path";
import { type Clock, sleep } from "../../core/clock.ts";
import { readNumbers } from "../../core/cursor.ts";
import type { Change } from "../../core/decide.ts";
import { CauceError } from "../../core/errors.ts";
import type { StoredOrder } from "../../core/order.ts";
import { tellWhile } from "../../core/wait.ts";
import { guarded } from "../guard.ts";
import { createIds, firstSeqOf, type Ids, refuseContent, seqOf, storedOrder } from "../newOrder.ts";
import type { Backend, BackendFactoryOptions, Limits, LocatedBackend, NewOrder, Placed } from "../port.ts";
import type { FieldValue } from "./batch/codec.ts";
import { op, type Unsuccessful } from "./batch/protocol.ts";
import {
  type Channel,
  createChannel,
  createOperationEncoder,
  handOut,
  type PendingOperation,
  startWriter,
  tellResults,
} from "./channel.ts";
import { createLeases, type WorkflowLeases } from "./deliveries.ts";
import { openReader, type Reader } from "./reads.ts";
import { isOpenToOthers, lockData, makeDirectory, makeFile, storeFault } from "./storeFiles.ts";

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
 * Rejects with `data_in_use`, `store_unreadable`, `store_corrupt`, `store_too_new`, `store_mismatch`,
 * `store_log_foreign`, `writer_missing`.
 */
export function sqlite({ directory }: SqliteOptions): (options: BackendFactoryOptions) => Promise<SqliteBackend> {
  return async ({ workflow, delivery, clock, onBatch, onOpening }) => {
    const folder = resolve(directory);
    const file = join(folder, `${workflow}.db`);
    makeDirectory(folder);
    const lock = lockData(join(folder, `${workflow}.lock`), folder);
    const faulty = (error: unknown): never => {
      lock.release();
      throw storeFault(error, file);
    };
    const closing = new AbortController();
    makeFile(file);
    const writer = await openThread(file, { workflow, delivery, clock, onOpening }).catch(faulty);

    const afterFault = async (again: () => unknown): Promise<void> => {
      await sleep(clock, retryAfterFaultSeconds, closing.signal);
      if (!closing.signal.aborted) again();
    };
    const channel = createChannel<PendingOperation>({
      ...writer,
      now: clock.now,
      encode: createOperationEncoder(),
      onResult(operations, result) {
        tellResults(operations, result, leases, (unsuccessful, newOrder) =>
          placedBefore(unsuccessful, newOrder, backend),
        );
        handOut(operations, result, leases);
        if (operations.length > 0) onBatch?.(operations.length, result.milliseconds);
        if (result.nextDelayed !== undefined) promoteAt(result.nextDelayed);
      },
      // What was asked for is still asked for: the writer tries to lease again.
      onFault: () => void afterFault(channel.roundTrip),
    });
    /** Sends an operation of numbers for which nothing waits. After a fault it is sent again. */
    const send = (...fields: number[]): void => {
      channel.send({ is: "other", fields, resolve() {}, reject: () => void afterFault(() => send(...fields)) });
    };
    const leases = createLeases({
      clock,
      grant: channel.grant,
      roundTrip: channel.roundTrip,
      onLeaseEnd: (seq, visit) => send(op.leaseEnded, seq, visit),
    });
    /** Gives back what was leased and never handed out: no handler began it. */
    const giveBackSpare = (status?: string): void => {
      for (const { seq, delivery } of leases.takeSpare(status)) send(op.giveBack, seq, delivery.visit);
    };
    let cancelPromotion: (() => void) | undefined;
    const promoteAt = (at: number | null): void => {
      cancelPromotion?.();
      cancelPromotion = at === null || closing.signal.aborted ? undefined : clock.at(at, () => send(op.promote));
    };
    writer.onResult(channel.receive);
    writer.onEnd(channel.end);
    const failed = new Promise<never>((_, reject) => {
      writer.onEnd((reason) => closing.signal.aborted || reject(reason));
    });
    // `cauce start` waits for `failed`. A program that uses the library learns of it from its calls, which are rejected.
    failed.catch(() => {});
    let reader: Reader;
    try {
      reader = openReader(file);
    } catch (error) {
      await writer.close();
      return faulty(error);
    }
    const ids = createIds(writer.state.lastSeq);
    const port = createPort({ file, clock, channel, leases, reader, ids, giveBackSpare });
    const close = async (): Promise<void> => {
      closing.abort();
      cancelPromotion?.();
      leases.close();
      // What was leased before the writer heard of the close is here once everything is answered.
      await channel.settled();
      giveBackSpare();
      await channel.settled();
      // The last connection to close folds the write-ahead log into the file, which a connection that only reads cannot.
      reader.close();
      await writer.close();
      lock.release();
    };
    const backend = guarded<Backend>({ ...port, close }, "the store is closed; nothing was written");
    promoteAt(writer.state.nextDelayed);

    return {
      ...backend,
      failed,
      delivery: writer.state.fifo ? "fifo" : "standard",
      requeued: writer.state.requeued,
      openToOthers: isOpenToOthers(file) ? file : undefined,
      where(id) {
        const seq = seqOf(id);
        return { store: "sqlite", file, table: "orders", key: seq === undefined ? { id } : { seq } };
      },
    };
  };
}

/** Starts the writer's thread, and tells what its opening is at for as long as that takes. */
async function openThread(file: string, given: Omit<BackendFactoryOptions, "onBatch" | "leaseSeconds">) {
  const { workflow, delivery, clock, onOpening } = given;
  const opened = new AbortController();
  const startedAt = clock.monotonic();
  let step: string | undefined;
  const tell = () => step && onOpening?.(`${file} ${step}`, Math.round((clock.monotonic() - startedAt) / 1_000));
  void tellWhile(clock, opened.signal, tell);
  const onStep = (next: string) => void (step = next);
  const fifo = delivery === undefined ? undefined : delivery === "fifo";
  return startWriter({ file, workflow, fifo }, onStep).finally(() => opened.abort());
}

/** What is answered to a placing whose key is known. */
async function placedBefore(unsuccessful: Unsuccessful, newOrder: NewOrder, backend: Backend): Promise<Placed> {
  if (unsuccessful.is !== "conflict" && unsuccessful.is !== "repeated")
    throw new CauceError("internal_error", `a placing was answered as ${unsuccessful.is}`);
  if (unsuccessful.is === "conflict") return { outcome: "conflict", orderId: unsuccessful.orderId };
  const order = await backend.get(unsuccessful.orderId);
  if (order !== undefined) return { outcome: "repeated", order };
  // It was removed since, and its key with it.
  return backend.place(newOrder);
}

/** Marks an order failed whose row cannot be read. A leased order goes on from its copy in memory, which can be read. */
async function markUnreadable(
  channel: Channel<PendingOperation>,
  { after: order }: Change,
  seq: number,
  leased: StoredOrder | undefined,
): Promise<"committed" | "stale"> {
  const { id, failure } = order;
  if (failure === null || (leased !== undefined && leased.unreadable === undefined)) return "stale";
  const { message, fingerprint, at } = failure;
  const fields = [op.markUnreadable, seq, id, at, fingerprint, message, JSON.stringify(failure)];
  return new Promise((resolve, reject) => {
    channel.send({ is: "mark", fields, order, resolve, reject });
  });
}

interface PortOptions {
  readonly file: string;
  readonly clock: Clock;
  readonly channel: Channel<PendingOperation>;
  readonly leases: WorkflowLeases;
  readonly reader: Reader;
  readonly ids: Ids;
  /** Gives back what was leased and never handed out, of one status or of all. */
  readonly giveBackSpare: (status?: string) => void;
}

/** The port, over the writer's thread for what changes and this thread's own connection for what is read. */
function createPort(options: PortOptions): Omit<Backend, "close"> {
  const { file, clock, channel, leases, reader, ids, giveBackSpare } = options;

  const read = async <T>(how: () => T): Promise<T> => {
    try {
      return how();
    } catch (error) {
      throw storeFault(error, file);
    }
  };
  const write = (...fields: readonly FieldValue[]): Promise<void> =>
    new Promise<void>((resolve, reject) => channel.send({ is: "other", fields, resolve, reject }));
  const remove = (...fields: readonly FieldValue[]): ReturnType<Backend["remove"]> =>
    new Promise((resolve, reject) => channel.send({ is: "remove", fields, resolve, reject }));

  return {
    limits,

    get(id) {
      const lease = leases.get(id);
      return lease === undefined ? read(() => reader.get(id)) : Promise.resolve(lease.order);
    },

    place(newOrder) {
      const refused = refuseContent(newOrder, limits);
      if (refused !== undefined) return Promise.reject(refused);
      const { seq, id } = ids.next(newOrder.createdAt);
      const order = storedOrder(newOrder, id);
      return new Promise((resolve, reject) => {
        channel.send({ is: "place", newOrder, order, seq, resolve, reject });
      });
    },

    commit(change) {
      const { id: orderId } = change.before;
      const lease = leases.get(orderId);
      const seq = lease === undefined ? seqOf(orderId) : lease.seq;
      if (seq === undefined) return Promise.resolve("stale");
      if (change.after.unreadable !== undefined) return markUnreadable(channel, change, seq, lease?.order);
      const id = lease === undefined ? orderId : null;
      return new Promise((resolve, reject) => {
        channel.send({ is: "commit", change, seq, id, resolve, reject });
      });
    },

    receive: leases.receive,

    async settle(delivery, verdict) {
      const { visit } = delivery;
      const found = leases.get(delivery.orderId);
      const lease = found?.delivery.receipt === delivery.receipt ? found : undefined;
      const laterSeq = verdict.verdict === "superseded" ? seqOf(verdict.by.id) : undefined;
      if (verdict.verdict === "superseded" && laterSeq !== undefined) {
        const later = [laterSeq, verdict.by.visit];
        if (lease === undefined) await write(op.redeliver, ...later);
        else await write(op.supersede, ...later, lease.seq, visit);
      } else if (lease !== undefined && verdict.verdict === "again") {
        await write(op.settleAgain, lease.seq, visit, Math.ceil(verdict.notBefore));
      } else if (lease !== undefined) await write(op.settleDone, lease.seq, visit);
      // Leased until it is written: where the store refuses, the lease is what brings the delivery back.
      if (lease !== undefined) leases.settled(lease);
    },

    async keep(note) {
      if (note.is === "probe") return write(op.probe);
      await write(note.paused ? op.pause : op.resume, note.status);
      if (note.paused) giveBackSpare(note.status);
    },

    async remove(which) {
      if ("id" in which) {
        const seq = seqOf(which.id);
        return seq === undefined ? { removed: 0, nextCursor: null } : remove(op.remove, seq, which.id);
      }
      const { before, limit, cursor } = which;
      // Keys begin at 1.
      const [after = 0] = cursor === undefined ? [] : readNumbers(cursor, "a removal", "after", 1);
      // Orders that were placed later changed later, too.
      return remove(op.removeOld, after, firstSeqOf(before), before, limit);
    },

    list: (query) => read(() => reader.list(query)),
    sweep: (query) => read(() => reader.sweep(query, clock.now())),
    counts: ({ depths = false, failures = false }) =>
      read(() => ({
        depths: depths ? reader.depths(leases.spareOf) : [],
        failures: failures ? reader.failures() : [],
      })),
  };
}
