import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { bodyOf, fifoFields, parseBody } from "../../../../src/backend/aws/queue/topic.ts";
import { anyText } from "../arbitrary.ts";

/** The pattern of group ids and deduplication ids that SQS and SNS take. */
const allowed = /^[A-Za-z0-9!"#$%&'()*+,\-./:;<=>?@[\\\]^_`{|}~]{1,128}$/;
const id = "0193d1c0-0000-7000-8000-000000000000";
const groups = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({ unit: "grapheme" }),
  fc.constantFrom("", " ", "\u0000", "👩‍👩‍👧", "ä".repeat(128), "x".repeat(256)),
);

describe("a message", () => {
  it("has a group and a deduplication id that SQS takes, for any group's key", () => {
    fc.assert(
      fc.property(groups, fc.nat(), fc.constantFrom("", `:v${2 ** 31}`, `:s${2 ** 31}.999`), (group, visit, suffix) => {
        const fields = fifoFields("fifo", { id, status: "paid", visit, group }, suffix);
        assert.match(fields.MessageGroupId ?? "", allowed);
        assert.match(fields.MessageDeduplicationId ?? "", allowed);
      }),
    );
  });

  it("has one group for each key, and the empty key is a key", () => {
    const groupOf = (group: string | null) =>
      fifoFields("fifo", { id, status: "paid", visit: 1, group }).MessageGroupId;
    fc.assert(
      fc.property(anyText, anyText, (one, other) => {
        assert.equal(groupOf(one) === groupOf(other), one === other);
      }),
    );
    assert.equal(groupOf(null), id);
    assert.notEqual(groupOf(""), id);
  });

  it("has the same deduplication id for one visit, and another for each other visit and each redelivery", () => {
    const of = (visit: number, suffix?: string) =>
      fifoFields("fifo", { id, status: "paid", visit, group: null }, suffix).MessageDeduplicationId;
    assert.equal(of(1), of(1));
    assert.equal(new Set([of(1), of(2), of(1, ":v3"), of(1, ":s3.1")]).size, 4);
  });

  it("has no group and no deduplication id in standard delivery, which refuses them", () => {
    assert.deepEqual(fifoFields("standard", { id, status: "paid", visit: 1, group: "a" }), {});
  });

  it("carries the order's id and visit, and nothing else of the order", () => {
    const body = bodyOf({ id, status: "paid", visit: 3, group: "secret" });
    assert.deepEqual(parseBody(body), { id, visit: 3 });
    assert.deepEqual(Object.keys(JSON.parse(body)), ["id", "visit"]);
  });

  it("is not taken for a message of Cauce where Cauce did not write it, whatever it holds", () => {
    const bodies = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.json(),
      fc.jsonValue().map((visit) => JSON.stringify({ id, visit })),
      fc.constantFrom(undefined, "", "null", "[]", '"text"', "{}", '{"id":1,"visit":1}', '{"visit":1}'),
    );
    fc.assert(
      fc.property(bodies, (body) => {
        const reference = parseBody(body);
        if (reference === undefined) return;
        assert.deepEqual([typeof reference.id, typeof reference.visit], ["string", "number"]);
      }),
      { numRuns: 1_000 },
    );
    for (const body of [undefined, "", "null", "[]", '"text"', "{}", '{"id":1,"visit":1}', `{"id":"${id}"}`]) {
      assert.equal(parseBody(body), undefined, body);
    }
  });
});
