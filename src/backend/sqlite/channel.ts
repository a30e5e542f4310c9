import { existsSync } from "node:fs";
import { MessageChannel, receiveMessageOnPort, Worker } from "node:worker_threads";
import { writeNumbers } from "../../core/cursor.ts";
import type { Change } from "../../core/decide.ts";
import { CauceError, type ErrorCode } from "../../core/errors.ts";
import type { StoredOrder } from "../../core/order.ts";
import type { NewOrder, Placed, Removal } from "../port.ts";
import { createDecoder, type Encoder, type FieldValue } from "./batch/codec.ts";
import {
  type Batch,
  type BatchResult,
  type Opened,
  type OpeningMessage,
  type Request,
  type StoreFault,
  type StoreState,
  type Unsuccessful,
  unreadable,
  type WriterData,
} from "./batch/protocol.ts";
import { orderOfRow } from "./batch/readRow.ts";
import { createEntryWriter, decodeStored, encodeCommit, encodePlace, stored } from "./batch/row.ts";
import type { WorkflowLeases } from "./deliveries.ts";
import { createOutbox, type OutboxOptions, type Pending, type Rejectable, rejectAll } from "./outbox.ts";
import { isAttemptLost } from "./schema.ts";

// One batch is written, one waits for that, and one more is there while this thread is still at the results: measured.
const batchesOnTheWayMax = 3;
const fewOperations = 2;

// A single operation is answered in less than half a millisecond where a sync takes a fifth of one. Waiting for it here
// and now spares two turns of the event loop. Where the disk is slower, a wait in vain is not repeated for some batches.
const holdMilliseconds = 2;
const batchesUnheld = 20;

interface ChannelOptions<Operation> extends Pick<WriterWorker, "post" | "resultWithin">, OutboxOptions<Operation> {
  readonly now: () => number;
  /** Called with the result of each batch and its operations, both in the order of sending. */
  readonly onResult: (operations: readonly Operation[], result: BatchResult) => void;
  /** Called when a batch failed as a whole, once each of its operations is rejected. */
  readonly onFault: () => void;
}

export type Channel<Operation extends Rejectable> = ReturnType<typeof createChannel<Operation>>;

/** Makes the way to the writer's thread. Operations that come while a batch is being written make the next batches. */
export function createChannel<Operation extends Rejectable>(options: ChannelOptions<Operation>) {
  const { post, resultWithin, now, onResult, onFault } = options;
  const outbox = createOutbox(options);
  const onTheWay: Pending<Operation>[] = [];
  let grants: (string | number)[] = [];
  let scheduled = false;
  let lastCount = 0;
  const hold = createHold(resultWithin);
  let ended: CauceError | undefined;

  const isIdle = () => grants.length === 0 && outbox.isEmpty();
  const flush = () => {
    scheduled = false;
    if (onTheWay.length >= batchesOnTheWayMax || isIdle()) return;
    const { ops, batch } = outbox.take();
    const count = batch.operations.length;
    post({ ops, count, grants, now: now() });
    if (count > 0) lastCount = count;
    onTheWay.push(batch);
    grants = [];
    if (!outbox.isEmpty()) schedule();
    const result = onTheWay.length === 1 && count > 0 && count <= fewOperations ? hold() : undefined;
    if (result !== undefined) receive(result);
  };
  // Not at once: what the same turn of the event loop brings (requests, handlers that end) joins the batch. When hardly
  // anything comes, there is nothing else to wait for, and the tick after this turn's promises is sooner. It is the
  // microtasks of that tick, since a poll asks for more in the same tick.
  const schedule = () => {
    if (scheduled || ended !== undefined || onTheWay.length >= batchesOnTheWayMax) return;
    scheduled = true;
    if (lastCount <= fewOperations && onTheWay.every(({ operations }) => operations.length === 0))
      process.nextTick(queueMicrotask, flush);
    else setImmediate(flush);
  };
  /** Takes the writer's result of the oldest batch on its way. */
  const receive = (result: BatchResult) => {
    const batch = onTheWay.shift();
    if (batch === undefined) return;
    if (result.fault !== undefined) {
      const error = faultError(result.fault);
      for (const each of batch.operations) each.reject(error);
      onFault();
    } else onResult(batch.operations, result);
    for (const trip of batch.trips) trip();
    // An empty batch makes the writer lease what this one had no room for.
    if (result.more) void roundTrip();
    schedule();
  };
  /** Sends a batch soon, with or without operations, and resolves once everything sent until now has been answered. */
  const roundTrip = (): Promise<void> => {
    if (ended !== undefined) return Promise.resolve();
    return new Promise((resolve) => {
      outbox.addTrip(resolve);
      schedule();
    });
  };

  return {
    receive,
    roundTrip,
    send(operation: Operation): void {
      if (ended !== undefined) {
        operation.reject(ended);
        return;
      }
      outbox.add(operation);
      schedule();
    },
    /** Tells the writer that it may lease so many more, or fewer, deliveries of a status. */
    grant(status: string, more: number): void {
      if (more === 0) return;
      grants.push(status, more);
      schedule();
    },
    /** Resolves when everything sent has been answered. */
    async settled(): Promise<void> {
      while (ended === undefined && (!outbox.isEmpty() || onTheWay.length > 0)) await roundTrip();
    },
    /** The writer is gone: rejects what waits, and whatever is sent from now on. */
    end(reason: CauceError): void {
      if (ended !== undefined) return;
      ended = reason;
      for (const batch of onTheWay.splice(0)) rejectAll(batch, reason);
      outbox.end(reason);
    },
  };
}

/** Waits for a result here and now, unless the last wait was in vain. */
function createHold(resultWithin: WriterWorker["resultWithin"]) {
  let unheld = 0;
  return () => {
    if (unheld > 0) {
      unheld--;
      return undefined;
    }
    const result = resultWithin(holdMilliseconds);
    if (result === undefined) unheld = batchesUnheld;
    return result;
  };
}

const faultError = ({ code, message }: StoreFault) => new CauceError(code as ErrorCode, message);

type WriterWorker = Awaited<ReturnType<typeof startWriter>>;

/** Finds the module of the writer's thread. Throws `writer_missing`: a bundle has no module beside it. */
function findThread(): URL {
  let cause: unknown;
  try {
    const url = new URL(import.meta.resolve("#sqliteWriter"));
    if (existsSync(url)) return url;
  } catch (error) {
    cause = error;
  }
  throw new CauceError(
    "writer_missing",
    "the module of the store's writing thread is missing, as when Cauce is bundled into a program; keep the package out of the bundle (with esbuild: --external:cauce), and install it where the program runs",
    { cause },
  );
}

/**
 * Starts the writer's thread and waits until it has opened the store. `onStep` is told what the opening is at. Rejects
 * with what kept the thread from that.
 */
export async function startWriter(data: Omit<WriterData, "port" | "answered">, onStep: (step: string) => void) {
  const { port1: port, port2 } = new MessageChannel();
  const answered = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  const worker = new Worker(findThread(), {
    workerData: { ...data, port: port2, answered } satisfies WriterData,
    transferList: [port2],
    // Batches come and go; a larger young generation would only keep more of their garbage.
    resourceLimits: { maxYoungGenerationSizeMb: 8 },
    name: `cauce ${data.workflow}`,
    execArgv: conditionsOf(process.execArgv),
  });
  const opened = await new Promise<Opened>((resolve, reject) => {
    worker.on("message", (message: OpeningMessage) => ("step" in message ? onStep(message.step) : resolve(message)));
    worker.once("error", reject);
  });
  if ("fault" in opened) {
    await worker.terminate();
    throw faultError(opened.fault);
  }
  let reason = new CauceError("closed", "the store is closed");
  worker.on("error", (cause) => {
    const message = `the writer of ${data.file} ended: ${cause.message}; restart the process`;
    reason = new CauceError("store_unavailable", message, { cause });
  });
  const exited = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
  let posted = 0;

  return {
    state: opened satisfies StoreState,
    post(batch: Batch): void {
      port.postMessage(batch satisfies Request);
      posted = (posted + 1) | 0;
    },
    /** Holds this thread until the result of the only batch on its way is there; undefined when that takes longer. */
    resultWithin(milliseconds: number): BatchResult | undefined {
      // The writer counts a result just after it has sent it, so the first count may still be of the one before.
      for (let seen = Atomics.load(answered, 0); seen !== posted; seen = Atomics.load(answered, 0))
        if (Atomics.wait(answered, 0, seen, milliseconds) === "timed-out") break;
      return receiveMessageOnPort(port)?.message as BatchResult | undefined;
    },
    onResult: (listener: (result: BatchResult) => void) => void port.on("message", listener),
    /** Calls once, when the thread is gone. */
    onEnd: (listener: (reason: CauceError) => void) => void exited.then(() => listener(reason)),
    close(): Promise<void> {
      port.postMessage("close" satisfies Request);
      return exited;
    },
  };
}

/**
 * Gives those of Node's own flags that say where modules are found. Other flags may be for a main program alone, as
 * `--eval` is.
 */
function conditionsOf(flags: readonly string[]): string[] {
  return flags.filter(
    (flag, index) => /^(?:-C|--conditions)(?:=|$)/.test(flag) || /^(?:-C|--conditions)$/.test(flags[index - 1] ?? ""),
  );
}

/** An operation that is sent and not yet answered. A record, not closures: there are four for each order. */
export type PendingOperation = { readonly reject: (error: CauceError) => void } & (
  | {
      readonly is: "place";
      readonly newOrder: NewOrder;
      /** As it stands once it is placed. */
      readonly order: StoredOrder;
      readonly seq: number;
      readonly resolve: (placed: Placed | Promise<Placed>) => void;
    }
  | {
      readonly is: "commit";
      readonly change: Change;
      readonly seq: number;
      /** Null where this side has leased the order, and so knows that `seq` is the order's. */
      readonly id: string | null;
      readonly resolve: (committed: "committed" | "stale") => void;
    }
  | {
      /** Marks an order failed whose row cannot be read. */
      readonly is: "mark";
      readonly fields: readonly FieldValue[];
      /** As it stands after. */
      readonly order: StoredOrder;
      readonly resolve: (committed: "committed" | "stale") => void;
    }
  | {
      readonly is: "remove";
      readonly fields: readonly FieldValue[];
      readonly resolve: (removal: Removal | "not_final") => void;
    }
  | { readonly is: "other"; readonly fields: readonly FieldValue[]; readonly resolve: () => void }
);

/** Makes what writes an operation for the writer, from its record. */
export function createOperationEncoder(): (to: Encoder, operation: PendingOperation) => void {
  const json = createEntryWriter();
  return (to, operation) => {
    if (operation.is === "place") encodePlace(to, json, operation.seq, operation.order, operation.newOrder.key);
    else if (operation.is === "commit") encodeCommit(to, json, operation.seq, operation.id, operation.change);
    else for (const field of operation.fields) to.value(field);
  };
}

/** Tells every operation of a batch what came of it. */
export function tellResults(
  operations: readonly PendingOperation[],
  { unsuccessful }: BatchResult,
  leases: WorkflowLeases,
  placedBefore: (unsuccessful: Unsuccessful, newOrder: NewOrder) => Promise<Placed>,
): void {
  const byIndex = unsuccessful.length === 0 ? undefined : new Map(unsuccessful.map((each) => [each.index, each]));
  for (let index = 0; index < operations.length; index++) {
    const operation = operations[index] as PendingOperation;
    const other = byIndex?.get(index);
    if (operation.is === "commit") {
      const { after, delivery } = operation.change;
      if (other === undefined) leases.committed(after, delivery === "keep");
      operation.resolve(other === undefined ? "committed" : "stale");
    } else if (operation.is === "place") {
      const { newOrder, order } = operation;
      operation.resolve(other === undefined ? { outcome: "placed", order } : placedBefore(other, newOrder));
    } else if (operation.is === "mark") {
      if (other === undefined) leases.committed(operation.order, false);
      operation.resolve(other === undefined ? "committed" : "stale");
    } else if (operation.is === "remove") operation.resolve(removalOf(other));
    else operation.resolve();
  }
}

function removalOf(unsuccessful: Unsuccessful | undefined): Removal | "not_final" {
  if (unsuccessful === undefined) return { removed: 1, nextCursor: null };
  if (unsuccessful.is === "not_final") return "not_final";
  if (unsuccessful.is !== "removed") return { removed: 0, nextCursor: null };
  const { removed, lastSeq } = unsuccessful;
  return { removed, nextCursor: lastSeq === null ? null : writeNumbers("after", lastSeq) };
}

/** Hands out what the writer leased. After `tellResults`: a commit consumes the delivery before. */
export function handOut(
  operations: readonly PendingOperation[],
  { deliveries }: BatchResult,
  leases: WorkflowLeases,
): void {
  const from = createDecoder(deliveries);
  if (from.done()) return;
  while (!from.done()) {
    const index = from.numberOrNull();
    if (index === null) {
      const row = decodeStored(from);
      leases.add(
        orderOfRow(row),
        row[stored.at.seq],
        isAttemptLost(row[stored.at.redelivered], row[stored.at.attempting]),
      );
    } else if (index === unreadable) {
      const [seq, redelivered, attempting] = [from.number(), from.number(), from.number()];
      leases.add(JSON.parse(from.text()) as StoredOrder, seq, isAttemptLost(redelivered, attempting));
    } else {
      // Only a placing and a commit are leased at once.
      const operation = operations[index] as Extract<PendingOperation, { seq: number }>;
      leases.add(operation.is === "commit" ? operation.change.after : operation.order, operation.seq, false);
    }
  }
  from.checkEnd();
  leases.distribute();
}
