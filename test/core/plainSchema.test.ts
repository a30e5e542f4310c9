import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as z from "zod";
import { isPlain } from "../../src/core/defineWorkflow.ts";

const node = z.object({
  name: z.string(),
  get parts() {
    return z.array(node);
  },
});

const plain: Readonly<Record<string, z.ZodType>> = {
  texts: z.object({ a: z.string().min(1), b: z.email(), c: z.iso.datetime(), d: z.string().trim() }),
  numbers: z.strictObject({ a: z.number(), b: z.int().min(1), c: z.boolean(), d: z.null(), e: z.unknown() }),
  choices: z.union([z.literal("a"), z.literal(true), z.enum(["b", "c"])]),
  "choices by a field": z.discriminatedUnion("t", [z.object({ t: z.literal("a") }), z.object({ t: z.literal("b") })]),
  lists: z.array(z.string().nullable()).optional(),
  records: z.record(z.string(), z.int()),
  "further fields": z.object({}).catchall(z.string()),
  "itself within": node,
  "an example": z.object({ a: z.string() }).meta({ examples: [{ a: "b" }] }),
};

const other: Readonly<Record<string, z.ZodType>> = {
  dates: z.date(),
  bigints: z.bigint(),
  maps: z.map(z.string(), z.string()),
  sets: z.set(z.string()),
  symbols: z.symbol(),
  undefined: z.undefined(),
  "not a number": z.nan(),
  functions: z.custom<() => void>((value) => typeof value === "function"),
  transforms: z.string().transform(Number),
  pipes: z.string().pipe(z.string()),
  "what is undefined": z.literal(undefined),
  "large numbers": z.literal(1n),
  "an id": z.string().meta({ id: "name" }),
  "an example that JSON has no word for": z.string().meta({ examples: [1n] }),
};

/** Puts a schema into each position where a schema may stand. */
const wrappers: Readonly<Record<string, (schema: z.ZodType) => z.ZodType>> = {
  alone: (schema) => schema,
  field: (schema) => z.object({ a: z.string(), b: schema }),
  "optional field": (schema) => z.object({ b: schema.optional() }),
  element: (schema) => z.array(schema),
  value: (schema) => z.record(z.string(), schema),
  choice: (schema) => z.union([z.string(), schema.nullable()]),
  "further field": (schema) => z.object({}).catchall(schema),
};

describe("isPlain", () => {
  for (const [position, put] of Object.entries(wrappers)) {
    for (const [what, schema] of Object.entries(plain)) {
      it(`knows ${what} (${position}), of which zod makes a JSON Schema`, () => {
        assert.ok(isPlain(put(schema)));
        assert.doesNotThrow(() => z.toJSONSchema(put(schema)));
      });
    }
    for (const [what, schema] of Object.entries(other)) {
      it(`leaves ${what} to zod (${position})`, () => assert.ok(!isPlain(put(schema))));
    }
  }

  it("leaves a value that is no schema of zod 4 to zod", () => {
    assert.ok(!isPlain({ safeParse() {} } as never));
  });
});
