import type { Clock } from "../../core/clock.ts";
import { readNumbers } from "../../core/cursor.ts";
import type { StoredOrder } from "../../core/order.ts";
import type { Backend, Depth, Limits, OldOrders } from "../backend.ts";
import { firstSeqOf, seqOf } from "../ids.ts";
import { refuseSize } from "../newOrder.ts";
import type { Waiting } from "./answers.ts";
import type { Channel } from "./channel.ts";
import type { Claims } from "./claims.ts";
import { storeFault } from "./faults.ts";
import { encodeCommit, encodePlace, op } from "./protocol.ts";
import type { Reader } from "./reader.ts";
import { createEntryWriter } from "./rows.ts";

interface FrontOptions {
  readonly file: string;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly channel: Channel<Waiting>;
  readonly claims: Claims;
  readonly reader: Reader;
  /** Gives back what was claimed and never handed out. */
  readonly giveBack: (spare: readonly { seq: number; visit: number }[]) => void;
}

/** The port, over the writer's thread for what changes and this thread's own connection for what is read. */
export function createFront({
  file,
  limits,
  clock,
  channel,
  claims,
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
      // Claimed for a receive that has ended: that is still to be received.
      const spare = depth.kind === "handled" ? claims.spareOf(depth.status) : 0;
      return { ...depth, waiting: depth.waiting + spare, inFlight: depth.inFlight - spare };
    });

  return {
    limits,

    get(id) {
      const order = claims.orderOf(id);
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
      const held = claims.seqOf(id);
      const seq = held ?? seqOf(id);
      if (seq === undefined) return Promise.resolve("stale");
      return new Promise((resolve, reject) => {
        encodeCommit(encoder, json, seq, held === undefined ? id : "", change);
        channel.sent({ is: "commit", order: change.after, seq, keep: change.delivery === "keep", resolve, reject });
      });
    },

    receive: claims.receive,

    settle(delivery, verdict) {
      const out = claims.outOf(delivery);
      const again = verdict.verdict === "superseded" ? redeliver(verdict.by) : undefined;
      if (out === undefined) return again ?? Promise.resolve();
      // Held until it is written: where the store refuses, the lease is what brings it back. What it is superseded by
      // is written before it in the same batch, so the two have one fate.
      const settled = write(() => {
        encoder.number(verdict.verdict === "again" ? op.settleAgain : op.settleDone);
        encoder.number(out.seq);
        encoder.number(delivery.visit);
        if (verdict.verdict === "again") encoder.number(Math.ceil(verdict.notBefore));
      }).then(() => claims.settled(delivery));
      return again === undefined ? settled : Promise.all([again, settled]).then(() => {});
    },

    async keep(note) {
      if (note.is === "probe") return write(() => encoder.number(op.probe));
      const { status, paused } = note;
      await write(() => {
        encoder.number(paused ? op.pause : op.resume);
        encoder.text(status);
      });
      if (paused) giveBack(claims.takeSpare(status));
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
