import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  type Act,
  actRoomBytes,
  type Extras,
  extrasBytesMax,
  parseExtras,
  type ShownExtraFields,
  showExtras,
  withAct,
  withStep,
  writeExtras,
} from "../../src/core/extras.ts";

const bytesOf = (extras: Extras): number => Buffer.byteLength(writeExtras(extras) ?? "");
const act: Act = { at: Date.UTC(2026, 10, 24), what: "transition", who: "ops", reason: "checked by hand" };
const stepped = (extras: Extras, name: string, value: unknown): Extras => {
  const after = withStep(extras, name, value);
  assert.ok("extras" in after, `step ${name} was refused`);
  return after.extras;
};

/** Makes text whose UTF-16 units take one to six bytes each in JSON, with halves of surrogate pairs. */
const anyText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 2_000, size: "max" }),
  fc.string({ unit: fc.constantFrom("a", '"', "\u0000", "漢", "👩", "\ud800"), maxLength: 2_000, size: "max" }),
);
const anyAct: fc.Arbitrary<Act> = fc.record({
  at: fc.oneof(fc.nat(), fc.double()),
  what: anyText,
  who: fc.option(anyText),
  reason: fc.option(anyText),
});
type Entry = { readonly act: Act } | { readonly name: string; readonly value: unknown };
const anyEntry: fc.Arbitrary<Entry> = fc.oneof(
  fc.record({ act: anyAct }),
  fc.record({
    name: fc.oneof(fc.constantFrom("charge", "ship", "__proto__"), anyText),
    value: fc.oneof(anyText, fc.jsonValue(), fc.constant(undefined)),
  }),
);

describe("an order's extras", () => {
  it("refuse the value of a step of which JSON would lose a part", () => {
    const refusal = withStep({}, "charge", { paid: [{ at: new Date("no") }] });
    assert.ok("refused" in refusal && refusal.refused === "invalid_results");
    assert.match(refusal.message, /^the value of step "charge" cannot be kept as JSON: paid\.0\.at is an invalid date/);
  });

  it("never take more than 8,192 bytes, refuse no act, keep the newest, and count the acts that went", () => {
    fc.assert(
      fc.property(fc.array(anyEntry, { maxLength: 40, size: "max" }), (entries) => {
        let extras: Extras = {};
        let given = 0;
        for (const entry of entries) {
          if ("act" in entry) {
            extras = withAct(extras, entry.act);
            given++;
            const newest = extras.acts?.at(-1);
            assert.ok(newest, "the newest act is there");
            assert.ok(Object.is(newest.at, entry.act.at) && entry.act.what.startsWith(newest.what.replace(/…$/, "")));
          } else {
            const after = withStep(extras, entry.name, entry.value);
            if ("extras" in after) extras = after.extras;
            else assert.equal(after.refused, "limit_exceeded");
          }
          assert.ok(bytesOf(extras) <= extrasBytesMax, `${bytesOf(extras)} bytes`);
          assert.equal((extras.acts?.length ?? 0) + (extras.actsOmitted ?? 0), given);
          assert.deepEqual(parseExtras(writeExtras(extras)), JSON.parse(JSON.stringify(extras)));
        }
      }),
      // Shrinking is off: it would take minutes on texts of thousands of characters.
      { numRuns: 100, endOnFailure: true },
    );
  });

  it("have room for the largest act beside the largest steps", () => {
    const largest = {
      at: -Number.MAX_VALUE,
      what: "\u0000".repeat(500),
      who: "漢".repeat(500),
      reason: "x".repeat(5_000),
    };
    const without = Buffer.byteLength(JSON.stringify({ steps: { s: "" } }));
    const full = stepped(
      { actsOmitted: Number.MAX_SAFE_INTEGER - 9 },
      "s",
      "x".repeat(extrasBytesMax - actRoomBytes - without),
    );
    let extras = full;
    for (let n = 1; n <= 5; n++) {
      extras = withAct(extras, largest);
      assert.equal(extras.acts?.length, 1);
      assert.ok(bytesOf(extras) <= extrasBytesMax, `${bytesOf(extras)} bytes`);
    }
    assert.deepEqual(extras.steps, full.steps);
    assert.ok("refused" in withStep(full, "s", "x".repeat(extrasBytesMax - actRoomBytes - without + 1)));
  });

  it("refuse a step that is too large, on one line that names the step and the bytes allowed", () => {
    const refused = withStep({}, "charge\nthe card", "x".repeat(extrasBytesMax));
    assert.ok("refused" in refused);
    assert.match(
      refused.message,
      /^with step "charge\\nthe card" .* would take 8\d{3} bytes, and may take 6144; keep less/,
    );
  });

  it("drop the oldest acts first, one by one, and only as many as must go", () => {
    let extras: Extras = {};
    for (let n = 0; n < 200; n++) {
      const before = extras;
      extras = withAct(before, { ...act, at: act.at + n });
      const dropped = (extras.actsOmitted ?? 0) - (before.actsOmitted ?? 0);
      const whole = { ...before, acts: [...(before.acts ?? []), { ...act, at: act.at + n }] };
      assert.equal(dropped > 0, bytesOf(whole) > extrasBytesMax, `act ${n}`);
      assert.deepEqual(
        extras.acts?.map(({ at }) => at),
        Array.from({ length: n + 1 - (extras.actsOmitted ?? 0) }, (_, k) => act.at + (extras.actsOmitted ?? 0) + k),
      );
    }
    assert.ok((extras.actsOmitted ?? 0) > 50);
  });

  it("keep 500 characters of any script of a reason, and cut more without splitting a character", () => {
    for (const character of ["x", "漢", "é"]) {
      const reason = character.repeat(500);
      assert.equal(withAct({}, { ...act, reason }).acts?.[0]?.reason, reason);
    }
    const [cut] = withAct({}, { ...act, reason: "👩".repeat(500) }).acts ?? [];
    assert.equal(cut?.reason, `${"👩".repeat(374)}…`);
  });

  it("are read as they were written, with the fields that a newer version added", () => {
    const newer =
      '{"acts":[{"at":1,"what":"cancel","who":null,"reason":null,"region":"eu"}],"region":{"owner":"eu"},"__proto__":1}';
    assert.equal(writeExtras(parseExtras(newer)), newer);
    const after = stepped(withAct(parseExtras(newer), act), "charge", { id: "pay_1" });
    assert.deepEqual(JSON.parse(writeExtras(after) ?? ""), {
      ...JSON.parse(newer),
      acts: [{ at: 1, what: "cancel", who: null, reason: null, region: "eu" }, act],
      steps: { charge: { id: "pay_1" } },
    });
  });

  it("are written as null where there is nothing to keep", () => {
    assert.equal(writeExtras({}), null);
    assert.equal(writeExtras({ acts: [], steps: {} }), null);
    assert.deepEqual(parseExtras(null), {});
  });

  it("keep a step's outcome as JSON reads it, and the last outcome of each name", () => {
    const extras = stepped(stepped({}, "charge", { at: new Date(0), no: undefined }), "nothing", undefined);
    assert.deepEqual(extras.steps, { charge: { at: "1970-01-01T00:00:00.000Z" }, nothing: null });
    assert.deepEqual(stepped(extras, "charge", 2).steps, { charge: 2, nothing: null });
  });

  it("throw `store_corrupt` where the stored text is no JSON object", () => {
    for (const text of ["", "{", "[]", "null", '"text"']) {
      assert.throws(() => parseExtras(text), { code: "store_corrupt", message: /^[^\n]+$/ }, text);
    }
  });
});

describe("the extras that an order shows", () => {
  const fields: ShownExtraFields = {
    definition: { schema: { type: "integer" }, of: (extras) => extras.definition ?? null },
  };

  it("are every field of the list, an empty one as well", () => {
    assert.deepEqual(showExtras('{"definition":3,"steps":{}}', fields), { definition: 3 });
    assert.deepEqual(showExtras(null, fields), { definition: null });
  });

  it("are none while the list is empty, and then the stored text is not read", () => {
    assert.deepEqual(showExtras("no JSON", {}), {});
  });
});
