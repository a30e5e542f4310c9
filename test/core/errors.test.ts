import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CauceError, delaySecondsMax, errorCodes, PermanentError, RetryError } from "../../src/core/errors.ts";

describe("errorCodes", () => {
  for (const [code, meaning] of Object.entries(errorCodes)) {
    it(`${code} is snake_case and means one sentence or two on one line`, () => {
      assert.match(code, /^[a-z]+(_[a-z]+)*$/);
      assert.match(meaning, /^[A-Z][^\n]*\.$/);
    });
  }
});

describe("CauceError", () => {
  it("carries its code, message, cause and faults", () => {
    const cause = new Error("disk");
    const faults = [{ path: "items.0.sku", message: "is missing" }];
    const error = new CauceError("invalid_data", "data does not fit", { cause, faults });
    assert.ok(error instanceof Error);
    assert.deepEqual(
      [error.name, error.code, error.message, error.cause, error.faults],
      ["CauceError", "invalid_data", "data does not fit", cause, faults],
    );
  });

  it("has neither cause nor faults where none were given", () => {
    const error = new CauceError("stale", "read it again");
    assert.ok(!("cause" in error));
    assert.equal(error.faults, undefined);
  });
});

describe("PermanentError", () => {
  it("has its own name, and a cause", () => {
    const cause = new Error("no such card");
    const error = new PermanentError("declined", { cause });
    assert.ok(error instanceof Error && !(error instanceof RetryError));
    assert.deepEqual([error.name, error.message, error.cause], ["PermanentError", "declined", cause]);
  });
});

describe("RetryError", () => {
  it("carries the delay, and says so unless a message is given", () => {
    const error = new RetryError({ delaySeconds: 90 });
    assert.ok(error instanceof Error && !(error instanceof PermanentError));
    assert.deepEqual([error.name, error.delaySeconds], ["RetryError", 90]);
    assert.match(error.message, /90 s/);
    assert.ok(!("cause" in error));

    const cause = new Error("429");
    const told = new RetryError({ delaySeconds: 0, message: "rate limited", cause });
    assert.deepEqual([told.delaySeconds, told.message, told.cause], [0, "rate limited", cause]);
  });

  it("takes any delay from 0 to 100 years", () => {
    for (const delaySeconds of [0, 0.001, delaySecondsMax]) {
      assert.equal(new RetryError({ delaySeconds }).delaySeconds, delaySeconds);
    }
  });

  for (const delaySeconds of [-1, Number.NaN, Number.POSITIVE_INFINITY, delaySecondsMax + 1, "5s", undefined]) {
    it(`refuses a delay of ${delaySeconds}`, () => {
      assert.throws(() => new RetryError({ delaySeconds: delaySeconds as number }), {
        name: "RangeError",
        message: /delaySeconds must be from 0 to/,
      });
    });
  }
});
