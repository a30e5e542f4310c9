import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fairText, serving } from "./hostile.ts";

/** JSON text whose meaning is known without a JSON parser. */
interface Sample {
  readonly text: string;
  /** What a reader must find. Of a number that no double can hold: undefined. */
  readonly value: unknown;
  /** The paths of the numbers that no double can hold, below this value. */
  readonly inexact: readonly string[];
}

/** Whether a double has the whole part of a number's text. The text is written out without its exponent first. */
function fits(text: string): boolean {
  const [mantissa = "", exponent = "0"] = text.replace(/^-/, "").toLowerCase().split("e");
  const [whole = "", fraction = ""] = mantissa.split(".");
  const shift = Number(exponent);
  // The point moves to the left or to the right, through zeros where the digits end.
  const left = whole.padStart(1 - shift, "0");
  const integer = shift < 0 ? left.slice(0, shift) : whole + fraction.padEnd(shift, "0").slice(0, shift);
  const value = Math.abs(Number(text));
  if (value === Number.POSITIVE_INFINITY) return false;
  if (value === 0) return !/[1-9]/.test(mantissa);
  return BigInt(integer) === BigInt(Math.trunc(value));
}

const digits = (minLength: number, maxLength: number) =>
  fc.string({ unit: fc.constantFrom(..."0123456789"), minLength, maxLength });
const wholePart = fc.oneof(
  fc.constant("0"),
  fc.tuple(fc.constantFrom(..."123456789"), digits(0, 24)).map((parts) => parts.join("")),
  fc.bigInt({ min: 2n ** 53n - 3n, max: 2n ** 53n + 3n }).map(String),
);
const number = fc
  .tuple(
    fc.constantFrom("", "-"),
    wholePart,
    fc.oneof(
      fc.constant(""),
      digits(1, 20).map((each) => `.${each}`),
    ),
    fc.oneof(
      { weight: 3, arbitrary: fc.constant("") },
      fc.integer({ min: -420, max: 420 }).map((each) => `e${each}`),
    ),
  )
  .map((parts): Sample => {
    const text = parts.join("");
    return fits(text) ? { text, value: Number(text), inexact: [] } : { text, value: undefined, inexact: [""] };
  });

const blank = fc.constantFrom("", " ", "\n", "\t ");
const below = (key: string | number, inexact: readonly string[]) =>
  inexact.map((path) => (path === "" ? String(key) : `${key}.${path}`));

const sample = fc.letrec<{ value: Sample }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    { weight: 4, arbitrary: number },
    fc.constantFrom(true, false, null).map((value): Sample => ({ text: String(value), value, inexact: [] })),
    // Digits in a text are no number.
    fc
      .oneof(fc.string({ unit: "grapheme", maxLength: 6 }), digits(14, 20), fc.constantFrom('\\"1e999', "1e-999"))
      .map((value): Sample => ({ text: JSON.stringify(value), value, inexact: [] })),
    fc.tuple(fc.array(tie("value"), { maxLength: 3 }), blank).map(
      ([items, space]): Sample => ({
        text: `[${space}${items.map(({ text }) => text).join(`${space},`)}]`,
        value: items.map(({ value }) => value),
        inexact: items.flatMap(({ inexact }, nth) => below(nth, inexact)),
      }),
    ),
    // Of two members with one name the last one counts.
    fc
      .tuple(fc.array(fc.tuple(fc.constantFrom("a", "b", "10", "e"), tie("value")), { maxLength: 4 }), blank)
      .map(([members, space]): Sample => {
        const last = new Map(members);
        return {
          text: `{${members.map(([key, { text }]) => `${space}"${key}"${space}:${text}`).join(",")}}`,
          value: Object.fromEntries([...last].map(([key, { value }]) => [key, value])),
          inexact: [...last].flatMap(([key, { inexact }]) => below(key, inexact)),
        };
      }),
  ),
})).value;

/** JSON has no -0. */
const asJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

test("what JSON text says is stored as it says, or it is refused with the path of a number that no double can hold", async (t) => {
  const { cauce, assertServes } = await serving(t);
  const post = async (path: string, type: string, body: string) =>
    fairText(
      await cauce.fetch(new Request(`http://a${path}`, { method: "POST", body, headers: { "content-type": type } })),
    );
  const seen = { stored: 0, refused: 0 };
  await fc.assert(
    fc.asyncProperty(sample, async ({ text, value, inexact }) => {
      const data = `{"customerId":"c-1","extra":${text}}`;
      const line = `{"data":${data.replaceAll("\n", " ")}}\n`;
      const alone = JSON.parse(await post("/orders", "application/json", data));
      const answer = JSON.parse(await post("/orders/batch", "application/x-ndjson", line));
      const paths = below("extra", inexact);
      if (inexact.length > 0) {
        seen.refused++;
        for (const { code, errors } of [alone, answer.problem]) {
          assert.equal(code, "invalid_data");
          assert.ok(paths.includes(errors[0].path), `${errors[0].path} is none of ${paths}`);
        }
        return;
      }
      seen.stored++;
      for (const { id } of [alone, answer.order]) {
        const order = await cauce.get("orders", id);
        assert.deepEqual(order?.data, asJson({ customerId: "c-1", extra: value }));
      }
    }),
    { numRuns: 300 },
  );
  assert.ok(seen.stored > 20 && seen.refused > 20, JSON.stringify(seen));
  await assertServes();
});
