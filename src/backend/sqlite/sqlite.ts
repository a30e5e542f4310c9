import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Change } from "../../core/decide.ts";
import { CauceError } from "../../core/errors.ts";
import type { StoredOrder } from "../../core/order.ts";
import type { Backend, BackendFactory, Limits, NewOrder, Placed } from "../backend.ts";
import { openChannel, type Pending } from "./channel.ts";
import { createClaims } from "./claims.ts";
import { storeFault } from "./faults.ts";
import { createIds, seqOf } from "./ids.ts";
import { lockData } from "./lock.ts";
import { deliveryCode, type Exception, op } from "./protocol.ts";
import { openReader, type Reader } from "./reader.ts";
import { orderOfRow } from "./rows.ts";
import { kindNumber } from "./schema.ts";

export interface SqliteOptions {
  /** Where the data lies: a database file for each workflow. Made if it is missing. */
  readonly directory: string;
}

const limits: Limits = {
  longestDelaySeconds: Number.POSITIVE_INFINITY,
  // A row of SQLite holds a gigabyte; this is what one process can still read, check and write without a pause.
  dataBytesMax: 16_777_216,
  groupBytesMax: 1_024,
  timingSeconds: 0.1,
  longestWaitSeconds: Number.POSITIVE_INFINITY,
  concurrency: { least: 1, most: 10_000, default: 100 },
};

const retryAfterFaultSeconds = 1;

/** An order on its way to the disk: what the writer claims of it can be handed out without reading it back. */
interface Write extends Pending {
  readonly order: StoredOrder;
  readonly seq: number;
}

/**
 * The embedded backend: one SQLite file for each workflow, written by a thread of its own, owned by one process.
 * Rejects with `data_in_use`, `store_unreadable`, `store_corrupt`, `store_too_new`, `store_mismatch`.
 */
export function sqlite({ directory }: SqliteOptions): BackendFactory {
  return async ({ workflow, delivery, clock }) => {
    const folder = resolve(directory);
    const file = join(folder, `${workflow}.db`);
    try {
      mkdirSync(folder, { recursive: true });
    } catch (error) {
      throw new CauceError(
        "store_unreadable",
        `${folder} cannot be made a directory (${(error as Error).message}); give another with --data`,
        { cause: error },
      );
    }
    const lock = lockData(join(folder, `${workflow}.lock`), folder);
    let reader: Reader | undefined;
    let cancelPromotion: (() => void) | undefined;
    let closed = false;

    const promoteAt = (at: number | null) => {
      cancelPromotion?.();
      cancelPromotion = at === null || closed ? undefined : clock.at(at, () => operate(op.promote));
    };
    /** An operation that nobody waits for; after a fault it is sent again. */
    const operate = (...fields: (number | null)[]) => {
      if (closed) return;
      channel.ops.push(...fields);
      channel.sent({
        done() {},
        failed: () => clock.at(clock.now() + retryAfterFaultSeconds * 1_000, () => operate(...fields)),
      });
    };

    const claims = createClaims({
      clock,
      grant: (status, more) => channel.grant(status, more),
      roundTrip: () => channel.roundTrip(),
      onLeaseEnd: (seq, visit) => operate(op.release, seq, visit, 1),
    });

    const channel = await openChannel({
      data: { file, workflow, fifo: delivery === "fifo" },
      now: clock.now,
      onAnswer({ pending, answer }) {
        // Commits first: they consume deliveries, and the next delivery of the same order is in the same answer.
        const failedAt = new Set(answer.exceptions.map((exception) => exception.index));
        for (let index = 0; index < pending.length; index++) {
          if (!failedAt.has(index)) (pending[index] as Partial<Committing>).onCommitted?.();
        }
        for (const each of answer.deliveries) {
          if (typeof each === "number") {
            const { order, seq } = pending[each] as Write;
            claims.add(order, seq, false);
          } else claims.add(orderOfRow(each), each[18], each[19] === 1);
        }
        if (answer.deliveries.length > 0) claims.distribute();
        if (answer.nextDelayed !== undefined) promoteAt(answer.nextDelayed);
      },
      onFault: () => {
        clock.at(clock.now() + retryAfterFaultSeconds * 1_000, () => closed || channel.wake());
      },
    }).catch((error) => {
      lock.release();
      throw storeFault(error, file);
    });
    try {
      reader = openReader(file);
    } catch (error) {
      await channel.close();
      lock.release();
      throw storeFault(error, file);
    }
    const reading = reader;
    const ids = createIds(channel.lastSeq);
    promoteAt(channel.nextDelayed);

    const read = async <T>(how: (from: Reader) => T): Promise<T> => {
      if (closed) throw closedError();
      try {
        return how(reading);
      } catch (error) {
        throw storeFault(error, file);
      }
    };
    const get = (id: string): Promise<StoredOrder | undefined> => {
      const order = claims.orderOf(id);
      return order === undefined || closed ? read((from) => from.get(id)) : Promise.resolve(order);
    };

    return {
      limits,
      get,

      place(order) {
        if (closed) return Promise.reject(closedError());
        const refused = refuseSize(order);
        if (refused !== undefined) return Promise.reject(refused);
        return new Promise<Placed>((resolve, reject) => {
          const { seq, id } = ids.next(order.createdAt);
          const stored = storedOrder(id, order);
          const { key } = order;
          channel.ops.push(
            op.place,
            seq,
            id,
            order.status,
            kindNumber[order.kind],
            order.dataJson,
            order.group,
            order.createdAt,
            order.expiresAt,
            JSON.stringify(stored.entry),
            key?.keyHash ?? null,
            key?.contentHash ?? null,
          );
          const write: Write = {
            order: stored,
            seq,
            failed: reject,
            done(exception) {
              if (exception === undefined) resolve({ outcome: "placed", order: stored });
              else resolve(placedBefore(exception, get));
            },
          };
          channel.sent(write);
        });
      },

      commit(change) {
        if (closed) return Promise.reject(closedError());
        const seq = seqOf(change.before.id);
        if (seq === undefined) return Promise.resolve("stale");
        return new Promise((resolve, reject) => {
          pushCommit(channel.ops, seq, change);
          const write: Committing = {
            order: change.after,
            seq,
            failed: reject,
            onCommitted: () => claims.committed(change.after, change.delivery === "keep"),
            done: (exception) => resolve(exception === undefined ? "committed" : "stale"),
          };
          channel.sent(write);
        });
      },

      async receive(options) {
        if (closed) throw closedError();
        return claims.receive(options);
      },

      settle(settled, verdict) {
        const taken = closed ? undefined : claims.take(settled);
        if (taken === undefined) return Promise.resolve();
        return new Promise((resolve, reject) => {
          if (verdict.verdict === "done") channel.ops.push(op.settleDone, taken.seq, settled.visit);
          else channel.ops.push(op.settleAgain, taken.seq, settled.visit, Math.ceil(verdict.notBefore));
          channel.sent({ done: () => resolve(), failed: reject });
        });
      },

      redeliver(order) {
        const seq = seqOf(order.id);
        if (closed) return Promise.reject(closedError());
        if (seq === undefined) return Promise.resolve();
        return new Promise((resolve, reject) => {
          channel.ops.push(op.redeliver, seq, order.visit);
          channel.sent({ done: () => resolve(), failed: reject });
        });
      },

      list: (query) => read((from) => from.list(query)),
      overdue: (query) => read((from) => from.overdue(query, clock.now())),
      failures: () => read((from) => from.failures()),
      depths: () =>
        read((from) =>
          from.depths().map((depth) => {
            const spare = depth.kind === "handled" ? claims.spareOf(depth.status) : 0;
            return { ...depth, waiting: depth.waiting + spare, inFlight: depth.inFlight - spare };
          }),
        ),

      async close() {
        if (closed) return;
        for (const { seq, visit } of claims.close()) operate(op.release, seq, visit, 0);
        closed = true;
        cancelPromotion?.();
        await channel.close();
        reading.close();
        lock.release();
      },
    } satisfies Backend;
  };
}

interface Committing extends Write {
  onCommitted(): void;
}

function closedError(): CauceError {
  return new CauceError("closed", "the store is closed; nothing was written");
}

function refuseSize(order: NewOrder): CauceError | undefined {
  const { dataBytesMax, groupBytesMax } = limits;
  if (Buffer.byteLength(order.dataJson) > dataBytesMax) {
    return new CauceError("limit_exceeded", `the data takes more than the ${dataBytesMax} bytes that the store holds`);
  }
  if (order.group !== null && Buffer.byteLength(order.group) > groupBytesMax) {
    return new CauceError("limit_exceeded", `the group key takes more than ${groupBytesMax} bytes`);
  }
  return undefined;
}

function storedOrder(id: string, order: NewOrder): StoredOrder {
  const { status, kind, dataJson, group, createdAt, expiresAt, by } = order;
  return {
    id,
    status,
    kind,
    visit: 0,
    version: 1,
    attempts: 0,
    attempting: false,
    dataJson,
    resultsJson: "{}",
    group,
    createdAt,
    updatedAt: createdAt,
    notBefore: null,
    expiresAt,
    failure: null,
    entry: { at: createdAt, reason: null, error: null, by },
    past: [],
    pastOmitted: 0,
  };
}

async function placedBefore(exception: Exception, get: Backend["get"]): Promise<Placed> {
  if (exception.is === "stale") throw new CauceError("internal_error", "a placing was answered as stale");
  if (exception.is === "conflict") return { outcome: "conflict", orderId: exception.orderId };
  const order = await get(exception.orderId);
  if (order === undefined)
    throw new CauceError("store_unavailable", `order ${exception.orderId} could not be read back`);
  return { outcome: "repeated", order };
}

function pushCommit(ops: (string | number | null)[], seq: number, { before, after, ended, delivery }: Change): void {
  // Once visits are left out of the history, the whole of it is written; until then the ended one is appended.
  const cut = after.pastOmitted > before.pastOmitted;
  const endedJson = ended === null || cut ? null : `${before.past.length > 0 ? "," : ""}${JSON.stringify(ended)}`;
  ops.push(
    op.commit,
    seq,
    before.version,
    after.status,
    kindNumber[after.kind],
    after.visit,
    after.attempts,
    after.attempting ? 1 : 0,
    after.notBefore,
    after.expiresAt,
    after.failure?.fingerprint ?? null,
    after.failure === null ? null : JSON.stringify(after.failure),
    after.updatedAt,
    JSON.stringify(after.entry),
    endedJson,
    cut ? JSON.stringify(after.past).slice(1, -1) : null,
    after.pastOmitted,
    after.resultsJson === before.resultsJson ? null : after.resultsJson,
    deliveryCode[delivery],
  );
}
