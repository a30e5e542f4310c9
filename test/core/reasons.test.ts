import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createContext, runInContext } from "node:vm";
import { CauceError } from "../../src/core/errors.ts";
import { fingerprintOf } from "../../src/core/fingerprint.ts";
import { isError, isTypeError, messageOf, reasonsBehind, textOf } from "../../src/core/reasons.ts";

const refusedBy = (address: string) =>
  Object.assign(new Error(`connect ECONNREFUSED ${address}`), { code: "ECONNREFUSED" });
const round = new Error("round");
round.cause = round;
const hostile = (...names: string[]) => {
  const error = new Error("mean");
  for (const name of names) {
    Object.defineProperty(error, name, {
      get() {
        throw new Error("no");
      },
    });
  }
  return error;
};
let deep: Error = new Error("the bottom");
for (let level = 0; level < 10_000; level++) deep = new Error(`level ${level}`, { cause: deep });

describe("the message of an error", () => {
  const messages: [string, unknown, string][] = [
    ["is its own where it has no cause", new Error("down"), "down"],
    [
      "holds the reason of a fetch that failed",
      new TypeError("fetch failed", { cause: refusedBy("127.0.0.1:443") }),
      "fetch failed: connect ECONNREFUSED 127.0.0.1:443",
    ],
    [
      "holds the first error of an AggregateError without a message, as `connect` throws it",
      new TypeError("fetch failed", { cause: new AggregateError([refusedBy("::1:443"), refusedBy("127.0.0.1:443")]) }),
      "fetch failed: connect ECONNREFUSED ::1:443",
    ],
    [
      "holds the first error of an AggregateError with a message",
      new AggregateError([new Error("no stock"), new Error("no courier")], "All promises were rejected"),
      "All promises were rejected: no stock",
    ],
    [
      "holds what was thrown before the disposal threw",
      new SuppressedError(
        new Error("socket gone"),
        new Error("card declined"),
        "An error was suppressed during disposal",
      ),
      "An error was suppressed during disposal: card declined",
    ],
    [
      "goes all the way down",
      new Error("not charged", { cause: new Error("gateway", { cause: new Error("timed out") }) }),
      "not charged: gateway: timed out",
    ],
    [
      "says a reason once that it quotes already",
      new Error("not charged (card declined)", { cause: new Error("card declined") }),
      "not charged (card declined)",
    ],
    ["holds a cause that is a text", new Error("not charged", { cause: "no card" }), "not charged: no card"],
    ["holds the message of a cause that is no Error", new Error("a", { cause: { message: "b" } }), "a: b"],
    ["holds a cause's code where it has no message", new Error("a", { cause: { code: "E_DOWN" } }), "a: E_DOWN"],
    ["holds the name of a cause without a word", new Error("a", { cause: new RangeError() }), "a: RangeError"],
    ["is the reason where the error has no message", new Error("", { cause: new Error("down") }), "down"],
    ["leaves out a cause that says nothing", new Error("a", { cause: {} }), "a"],
    [
      "is that of an error of Cauce alone, which tells its reason",
      cauce(),
      "the store is full (ENOSPC); free some space",
    ],
    ["ends where an error is its own cause", round, "round"],
    ["ends at a cause that cannot be read", hostile("cause", "errors", "suppressed"), "mean"],
    ["is the name where the message cannot be read", hostile("message"), "Error"],
    ["is the text of what is no error", "down", "down"],
    ["is made of any value", undefined, "undefined"],
    ["is made of an object without a prototype", Object.create(null), "something that has no description"],
  ];
  for (const [what, error, message] of messages) it(what, () => assert.equal(messageOf(error), message));

  it("is bounded, however long the chain and its parts are", () => {
    const long = new Error("a", { cause: new Error("b".repeat(1_000_000)) });
    assert.ok(messageOf(long).length < 1_100);
    assert.match(messageOf(deep), /^level 9999: level 9998: /);
    assert.ok(messageOf(deep).length < 20_000);
    assert.equal(reasonsBehind(new AggregateError(Array(1_000).fill(round))).length, 20);
  });

  it("tells failures with other reasons apart by their fingerprints", () => {
    const fetchFailed = (cause: Error) => fingerprintOf(messageOf(new TypeError("fetch failed", { cause })));
    assert.notEqual(fetchFailed(refusedBy("10.0.0.1:443")), fetchFailed(new Error("getaddrinfo ENOTFOUND shop")));
    assert.equal(fetchFailed(refusedBy("10.0.0.1:443")), fetchFailed(refusedBy("10.0.0.2:443")));
  });
});

function cauce(): CauceError {
  return new CauceError("store_full", "the store is full (ENOSPC); free some space", {
    cause: new Error("ENOSPC: write"),
  });
}

it("the text of an error has its name and its reason", () => {
  assert.equal(textOf(new TypeError("fetch failed", { cause: new Error("gone") })), "TypeError: fetch failed: gone");
  assert.equal(textOf(new AggregateError([new Error("gone")])), "AggregateError: gone");
  assert.equal(textOf("gone"), "gone");
  assert.equal(textOf(Object.create(null)), "something that has no description");
});

it("errors are known in every realm, and nothing else is one", () => {
  const elsewhere = (source: string): unknown => runInContext(source, createContext({}));
  for (const error of [new Error("a"), new DOMException("a"), elsewhere("new TypeError('a')")])
    assert.ok(isError(error));
  const fail = () => {
    throw new Error("no");
  };
  for (const value of [{ message: "a" }, "a", null, undefined, new Proxy({}, { getPrototypeOf: fail })]) {
    assert.ok(!isError(value));
  }
  assert.ok(isTypeError(elsewhere("new TypeError('a')")) && !isTypeError(elsewhere("new RangeError('a')")));
});
