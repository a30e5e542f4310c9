import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { defaultRetry, retryDelaySeconds } from "../../src/core/errors.ts";
import { retryOf, timeoutSecondsOf } from "../../src/core/workflow.ts";

const almostOne = 1 - Number.EPSILON / 2;

/** Makes a random generator with a seed (mulberry32), so that a failure can be repeated. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

describe("retryDelaySeconds", () => {
  const ceiling = (attempts: number, policy = defaultRetry) => retryDelaySeconds(policy, attempts, () => almostOne);
  const round = (seconds: number) => Math.round(seconds * 1_000) / 1_000;

  it("doubles its ceiling with each attempt, up to maxSeconds", () => {
    const ceilings = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11].map((attempts) => round(ceiling(attempts)));
    assert.deepEqual(ceilings, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
  });

  it("stays at maxSeconds however many attempts there were", () => {
    for (const attempts of [100, 1_024, 1_100, 1_000_000]) assert.equal(round(ceiling(attempts)), 300);
  });

  it("never passes maxSeconds, even where baseSeconds is longer", () => {
    assert.equal(round(retryDelaySeconds({ attempts: 5, baseSeconds: 60, maxSeconds: 10 }, 1, () => almostOne)), 10);
  });

  it("is the injected random's share of the ceiling", () => {
    const policy = { attempts: 9, baseSeconds: 2, maxSeconds: 600 };
    assert.equal(
      retryDelaySeconds(policy, 1, () => 0),
      0,
    );
    assert.equal(
      retryDelaySeconds(policy, 3, () => 0.25),
      2,
    );
  });

  it("lies between 0 and its ceiling for any policy, and spreads over all of it", () => {
    const random = seeded(7);
    for (let run = 0; run < 200; run++) {
      const policy = { attempts: 5, baseSeconds: 0.001 + random() * 1_000, maxSeconds: 0.001 + random() * 100_000 };
      const attempts = 1 + Math.floor(random() * 60);
      const delayMax = Math.min(policy.maxSeconds, policy.baseSeconds * 2 ** (attempts - 1));
      const quarters = new Set<number>();
      for (let draw = 0; draw < 100; draw++) {
        const delay = retryDelaySeconds(policy, attempts, random);
        assert.ok(
          delay >= 0 && delay < delayMax,
          `${delay} of ${delayMax}, ${JSON.stringify(policy)}, ${attempts} attempts`,
        );
        quarters.add(Math.floor((delay / delayMax) * 4));
      }
      assert.deepEqual([...quarters].sort(), [0, 1, 2, 3]);
    }
  });
});

describe("retryOf", () => {
  it("takes the defaults for the options that a status leaves out", () => {
    assert.deepEqual(retryOf({ to: [] }), { attempts: 5, baseSeconds: 1, maxSeconds: 300 });
    assert.deepEqual(retryOf({ to: [], retry: { attempts: 2 } }), { attempts: 2, baseSeconds: 1, maxSeconds: 300 });
    assert.deepEqual(retryOf({ to: [], retry: { baseSeconds: 3, maxSeconds: 9 } }), {
      attempts: 5,
      baseSeconds: 3,
      maxSeconds: 9,
    });
  });
});

it("timeoutSecondsOf is 30 unless the status says otherwise", () => {
  assert.equal(timeoutSecondsOf({ to: [] }), 30);
  assert.equal(timeoutSecondsOf({ to: [], timeoutSeconds: 0.5 }), 0.5);
});
