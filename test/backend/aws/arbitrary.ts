import fc from "fast-check";
import {
  type Actor,
  type Entry,
  type Failure,
  historyFirst,
  historyLast,
  type StoredOrder,
  type Visit,
} from "../../../src/core/order.ts";

/** Makes records with Object's prototype, which records read from the store have. */
function record<T>(
  model: { [K in keyof T]: fc.Arbitrary<T[K]> },
  optional: readonly (keyof T)[] = [],
): fc.Arbitrary<T> {
  const requiredKeys = (Object.keys(model) as (keyof T)[]).filter((key) => !optional.includes(key));
  return fc.record(model, { requiredKeys, noNullPrototype: true }) as fc.Arbitrary<T>;
}

/** Any text without lone halves of a surrogate pair, which UTF-8 cannot hold. */
export const anyText = fc.oneof(fc.string({ unit: "grapheme" }), fc.string({ unit: "binary" }));

const id = fc.oneof(
  fc.uuid(),
  fc.uuid().map((uuid) => uuid.toUpperCase()),
  anyText,
  anyText.map((text) => `~${text}`),
  anyText.map((text) => `~~${text}`),
  fc.uuid().map((uuid) => `~${uuid}`),
);
const name = fc.oneof(fc.constantFrom("request", "processing", "__proto__", ""), anyText);
const by: fc.Arbitrary<Actor> = record({
  runtime: fc.constantFrom("node", "lambda", "pod"),
  name,
  requestId: fc.option(id),
  messageId: fc.option(id),
});

const milliseconds = fc.integer({ min: 0, max: 4_102_444_800_000 });
const count = fc.nat(1_000_000);

const entry = {
  at: milliseconds,
  reason: fc.option(anyText),
  error: fc.option(anyText),
  by,
  key: anyText,
};
const visit = { ...entry, status: anyText, visit: count, attempts: count };

const history = {
  entry: record<Entry>(entry as never, ["key"]),
  past: fc.array(record<Visit>(visit as never, ["key"]), {
    maxLength: historyFirst + historyLast - 1,
  }),
};

export const anyHistory: fc.Arbitrary<Pick<StoredOrder, "entry" | "past" | "createdAt">> = record({
  ...history,
  createdAt: milliseconds,
});

const failure: fc.Arbitrary<Failure> = record({
  code: anyText,
  message: anyText,
  fingerprint: anyText,
  at: milliseconds,
});

export const anyOrder: fc.Arbitrary<StoredOrder> = record({
  ...history,
  id: fc.uuid(),
  status: anyText,
  kind: fc.constantFrom("handled", "waiting", "final"),
  visit: count,
  version: count,
  attempts: count,
  attempting: fc.boolean(),
  dataJson: fc.json(),
  resultsJson: fc.oneof(
    fc.constant("{}"),
    fc.dictionary(anyText, fc.jsonValue()).map((value) => JSON.stringify(value)),
  ),
  group: fc.option(anyText),
  createdAt: milliseconds,
  updatedAt: milliseconds,
  notBefore: fc.option(milliseconds),
  expiresAt: fc.option(milliseconds),
  failure: fc.option(failure),
  pastOmitted: count,
  extrasJson: fc.option(anyText),
});
