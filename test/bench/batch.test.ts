import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createChunks } from "../../bench/lib/batch.ts";

interface Line {
  readonly idempotencyKey?: string;
  readonly data: { readonly customerId: string };
}

const linesOf = (chunk: Buffer): Line[] =>
  chunk
    .toString()
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Line);

describe("the lines of a batch that is measured", () => {
  it("each have a key of their own, in every chunk", () => {
    const chunks = createChunks(true);
    const keys = Array.from({ length: 250 }, () => linesOf(chunks.next()).map(({ idempotencyKey }) => idempotencyKey));
    assert.equal(new Set(keys.flat()).size, 250 * 400);
    assert.equal(keys.flat().includes(undefined), false);
  });

  it("have no key where keys are not measured", () => {
    const lines = linesOf(createChunks(false).next());
    assert.equal(lines.length, 400);
    assert.ok(lines.every((line) => line.idempotencyKey === undefined && line.data.customerId.startsWith("customer-")));
  });
});
