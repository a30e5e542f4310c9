/** Random operations over the channel to a writer that is only made: what was sent arrives whole, once and in order. */
import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import fc from "fast-check";
import { createDecoder, type Decoder, type Encoder, type FieldValue } from "../../src/backend/sqlite/batch/codec.ts";
import type { Batch, BatchResult } from "../../src/backend/sqlite/batch/protocol.ts";
import { createChannel } from "../../src/backend/sqlite/channel.ts";
import type { CauceError } from "../../src/core/errors.ts";
import { failingAfter } from "./failing.ts";

/** Any string at all: its halves of surrogate pairs may stand alone, or meet those of its neighbours. */
const text = fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)) });
const field: fc.Arbitrary<FieldValue> = fc.oneof(text, fc.double({ noNaN: true }), fc.constant(null));

const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      is: fc.constant("send" as const),
      fields: fc.array(field, { maxLength: 6 }),
      failsAfter: fc.option(fc.nat(13), { nil: undefined, freq: 4 }),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ is: "trip" as const }) },
  { weight: 1, arbitrary: fc.constant({ is: "turn" as const }) },
  { weight: 2, arbitrary: fc.record({ is: fc.constant("answer" as const), isFault: fc.boolean() }) },
);
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

interface Sent {
  readonly fields: readonly FieldValue[];
  readonly failsAfter: number | undefined;
  readonly reject: (error: CauceError) => void;
  outcome?: string;
}

function encode(encoder: Encoder, { fields, failsAfter }: Sent): void {
  const to = failingAfter(encoder, failsAfter);
  to.number(fields.length);
  for (const value of fields) {
    to.number(typeof value === "string" ? 1 : 0);
    to.value(value);
  }
}

const writesOf = (fields: readonly FieldValue[]): number => 1 + 2 * fields.length;

function decode(from: Decoder): FieldValue[] {
  const fields: FieldValue[] = [];
  for (let left = from.number(); left > 0 && !from.done(); left--) {
    fields.push(from.number() === 1 ? from.textOrNull() : from.numberOrNull());
  }
  return fields;
}

export const channelProperty = fc.asyncProperty(
  fc.record({ operationsMax: fc.integer({ min: 1, max: 5 }), textLengthMax: fc.integer({ min: 1, max: 30 }) }),
  fc.boolean(),
  fc.array(step, { minLength: 1, maxLength: 60 }),
  async (limits, answersAtOnce, steps) => {
    const posted: Batch[] = [];
    let countMax = 0;
    const faults: unknown[] = [];
    const sent: Sent[] = [];
    const written: FieldValue[][] = [];
    const write = (isFault: boolean): BatchResult | undefined => {
      const batch = posted.shift();
      if (batch === undefined) return undefined;
      const all: FieldValue[][] = [];
      try {
        const from = createDecoder(batch.ops);
        for (let index = 0; index < batch.count; index++) all.push(decode(from));
        from.checkEnd();
      } catch (error) {
        // Thrown here, it would reach the event loop and not the property.
        faults.push(error);
      }
      const nothing = { unsuccessful: [], deliveries: { numbers: new Float64Array(), text: "" }, milliseconds: 0 };
      if (isFault) return { ...nothing, fault: { code: "store_full", message: "made to be full" } };
      written.push(...all);
      return nothing;
    };
    const channel = createChannel<Sent>({
      limits,
      encode,
      post(batch) {
        posted.push(batch);
        countMax = Math.max(countMax, batch.count);
      },
      resultWithin: () => (answersAtOnce ? write(false) : undefined),
      now: () => 0,
      onResult(operations) {
        for (const each of operations) settle(each, "written");
      },
      onFault() {},
    });
    const settle = (each: Sent, outcome: string) => {
      assert.equal(each.outcome, undefined, "an operation is answered once");
      each.outcome = outcome;
    };
    const trips: Promise<boolean>[] = [];
    const take = async (each: Step): Promise<void> => {
      if (each.is === "send") {
        const { fields, failsAfter } = each;
        const operation: Sent = { fields, failsAfter, reject: ({ code }) => settle(operation, code) };
        sent.push(operation);
        channel.send(operation);
      } else if (each.is === "trip") {
        const before = [...sent];
        trips.push(channel.roundTrip().then(() => before.every(({ outcome }) => outcome !== undefined)));
      } else if (each.is === "turn") await turn();
      else {
        const result = write(each.isFault);
        if (result !== undefined) channel.receive(result);
      }
    };
    for (const each of steps) await take(each);
    const settled = channel.settled();
    let isSettled = false;
    void settled.then(() => {
      isSettled = true;
    });
    while (!isSettled) {
      await take({ is: "turn" });
      await take({ is: "answer", isFault: false });
    }
    assert.deepEqual(faults, []);
    assert.ok(countMax <= limits.operationsMax);
    assert.deepEqual(
      await Promise.all(trips),
      trips.map(() => true),
    );

    for (const { fields, failsAfter, outcome } of sent) {
      const fails = failsAfter !== undefined && failsAfter < writesOf(fields);
      assert.ok(fails ? outcome === "internal_error" : outcome === "written" || outcome === "store_full", outcome);
    }
    assert.deepEqual(
      written,
      sent.filter(({ outcome }) => outcome === "written").map(({ fields }) => fields),
    );
  },
);
