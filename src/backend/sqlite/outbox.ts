import { CauceError } from "../../core/errors.ts";
import { textOf } from "../../core/reasons.ts";
import { createEncoder, type Encoder, type Packed } from "./batch/codec.ts";
import { type BatchLimits, batchLimits } from "./batch/protocol.ts";

export interface Rejectable {
  reject(error: CauceError): void;
}

/** The operations of one batch, and what waits for the batch itself. */
export interface Pending<Operation> {
  readonly operations: Operation[];
  readonly trips: (() => void)[];
}

export interface OutboxOptions<Operation> {
  /** Writes an operation for the writer. Where that throws, the operation is rejected alone. */
  readonly encode: (to: Encoder, operation: Operation) => void;
  readonly limits?: BatchLimits | undefined;
}

/**
 * Gathers the next batch. Once that is full, further operations wait as they are and make the batches after it: in the
 * order of their calls, and unwritten, so that they hold no more memory than what their callers gave.
 */
export function createOutbox<Operation extends Rejectable>(options: OutboxOptions<Operation>) {
  const { encode, limits = batchLimits } = options;
  const encoder = createEncoder();
  const waiting: ({ readonly operation: Operation } | { readonly trip: () => void })[] = [];
  let next: Pending<Operation> = { operations: [], trips: [] };

  const isFull = () => next.operations.length >= limits.operationsMax || encoder.textLength() >= limits.textLengthMax;
  /** Writes an operation whole, or not at all. */
  const write = (operation: Operation) => {
    encoder.mark();
    try {
      encode(encoder, operation);
    } catch (cause) {
      encoder.rewind();
      const message = `an operation cannot be written for the store: ${textOf(cause)}; nothing of it is stored`;
      operation.reject(new CauceError("internal_error", message, { cause }));
      return;
    }
    next.operations.push(operation);
  };
  const writeWaiting = () => {
    let written = 0;
    for (; written < waiting.length && !isFull(); written++) {
      const each = waiting[written] as (typeof waiting)[number];
      if ("trip" in each) next.trips.push(each.trip);
      else write(each.operation);
    }
    waiting.splice(0, written);
  };

  return {
    isEmpty: () => next.operations.length === 0 && next.trips.length === 0,
    add(operation: Operation): void {
      // `take` fills the next batch with what waits. So while anything waits, the batch is full.
      if (isFull()) waiting.push({ operation });
      else write(operation);
    },
    /** Adds what is called once everything added until now has been answered. */
    addTrip(trip: () => void): void {
      if (waiting.length > 0) waiting.push({ trip });
      else next.trips.push(trip);
    },
    /** Gives the batch, and begins the next one with what waits. */
    take(): { readonly ops: Packed; readonly batch: Pending<Operation> } {
      const taken = { ops: encoder.take(), batch: next };
      next = { operations: [], trips: [] };
      if (waiting.length > 0) writeWaiting();
      return taken;
    },
    /** Rejects everything that has not been taken. */
    end(reason: CauceError): void {
      encoder.take();
      rejectAll(next, reason);
      next = { operations: [], trips: [] };
      for (const each of waiting.splice(0)) {
        if ("trip" in each) each.trip();
        else each.operation.reject(reason);
      }
    },
  };
}

/** Rejects the operations of a batch that will not be answered. */
export function rejectAll<Operation extends Rejectable>(batch: Pending<Operation>, reason: CauceError): void {
  for (const each of batch.operations) each.reject(reason);
  for (const trip of batch.trips) trip();
}
