import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Followed } from "../../../src/cli/verify/verify.ts";
import { processingMissing, requestMissing, type Step } from "../../../src/cli/verify/verify.ts";

const kinds = new Map([
  ["open", "handled"],
  ["held", "waiting"],
] as const);
const followed = { order: { id: "o-1", status: "done" }, end: "final" } as Followed;
const step: Step = {
  from: "open",
  to: "done",
  reason: null,
  runtime: "lambda",
  name: "orders-processing-dev",
  requestId: "run-1",
  messageId: "m-1",
};

describe("a proof", () => {
  it("is missing where a function's run is not named", () => {
    const by = { runtime: "lambda", name: "orders-request-dev", requestId: null, messageId: null } as const;
    assert.equal(requestMissing(by), "the history names no run of orders-request-dev");
    assert.equal(requestMissing({ ...by, requestId: "r-1" }), undefined);
    assert.equal(requestMissing({ ...by, runtime: "node", name: "shop" }), undefined);
    const moved = processingMissing([{ ...step, requestId: null }], kinds, "dynamodb", followed);
    assert.match(String(moved), /does not name the run of orders-processing-dev that moved .* from "open" to "done"$/);
  });

  it("is missing where DynamoDB's order was moved by no message", () => {
    assert.equal(processingMissing([step], kinds, "dynamodb", followed), undefined);
    const moved = processingMissing([{ ...step, messageId: null }], kinds, "dynamodb", followed);
    assert.match(String(moved), /does not name the queue's message that moved/);
    const node = { ...step, runtime: "node", requestId: null, messageId: null } as const;
    assert.equal(processingMissing([node], kinds, "sqlite", followed), undefined);
  });

  it("is missing where attempts were used up, unless --to named that status", () => {
    const gaveUp = { ...step, reason: "exhausted: handler_failed: down" };
    assert.equal(
      processingMissing([gaveUp], kinds, "dynamodb", followed),
      'the handler of "open" did not move the order o-1, which went to "done": exhausted: handler_failed: down',
    );
    assert.equal(processingMissing([gaveUp], kinds, "dynamodb", { ...followed, end: "reached" }), undefined);
    const byHand = { ...gaveUp, from: "held" };
    assert.equal(processingMissing([step, byHand], kinds, "dynamodb", followed), undefined);
  });

  it("needs a handler's move, and no move by hand of a waiting order", () => {
    const byHand = { ...step, from: "held", messageId: null };
    assert.match(String(processingMissing([byHand], kinds, "dynamodb", followed)), /^no handler has moved/);
    assert.equal(processingMissing([step, byHand], kinds, "dynamodb", followed), undefined);
    assert.match(String(processingMissing([], kinds, "dynamodb", followed)), /^no handler has moved/);
  });
});
