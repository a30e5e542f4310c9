import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type CpuProfile, digest } from "../../bench/lib/profileDigest.ts";

const frame = (id: number, functionName: string, url = "", lineNumber = 9) => ({
  id,
  callFrame: { functionName, url, lineNumber },
});

/** Samples every 10 µs, from 1,000 on. */
function profileOf(frames: readonly ReturnType<typeof frame>[], samples: readonly number[]): CpuProfile {
  return { startTime: 990, nodes: frames, samples, timeDeltas: samples.map(() => 10) };
}

const everything = { from: 0, to: Number.POSITIVE_INFINITY };

describe("the digest of a profile", () => {
  it("groups functions by where they come from", () => {
    const frames = [
      frame(1, "(idle)"),
      frame(2, "(garbage collector)"),
      frame(3, "writev"),
      frame(4, "emit", "node:events"),
      frame(5, "parserOnHeadersComplete", "node:_http_common"),
      frame(6, "hash", "node:internal/crypto/hash"),
      frame(7, "serve", "file:///app/node_modules/@hono/node-server/dist/index.mjs"),
      frame(8, "match", "file:///app/node_modules/hono/dist/router.js"),
      frame(9, "parse", "file:///app/node_modules/zod/v4/core/schemas.js"),
      frame(10, "received", "file:///app/examples/orders/orders.app.ts"),
      frame(11, "accept", "file:///app/src/engine/place.ts"),
    ];
    const ids = frames.map(({ id }) => id);
    const { groups } = digest(profileOf(frames, [...ids, ...ids, 1]), everything);
    assert.deepEqual(Object.fromEntries(groups), {
      idle: 20,
      gc: 20,
      native: 20,
      "node http": 40,
      node: 20,
      hono: 40,
      zod: 20,
      example: 20,
      ours: 20,
    });
  });

  it("adds up one function's calls, the longest first, and leaves idle time out", () => {
    const place = "file:///app/src/engine/place.ts";
    const frames = [frame(1, "(idle)"), frame(2, "accept", place), frame(3, "", place, 19), frame(4, "accept", place)];
    const { functions } = digest(profileOf(frames, [1, 1, 1, 2, 3, 4, 1]), everything);
    assert.deepEqual(functions, [
      { name: "accept src/engine/place.ts:10", group: "ours", microseconds: 20 },
      { name: "(anonymous) src/engine/place.ts:20", group: "ours", microseconds: 10 },
    ]);
  });

  it("counts only what lies within the window", () => {
    const frames = [frame(1, "start", "file:///app/src/a.ts"), frame(2, "work", "file:///app/src/b.ts")];
    const { functions } = digest(profileOf(frames, [1, 2, 2, 1]), { from: 1_010, to: 1_020 });
    assert.deepEqual(functions, [{ name: "work src/b.ts:10", group: "ours", microseconds: 20 }]);
  });
});
