import * as z from "zod";
import { later } from "../../api/fields.ts";
import type { Operation, Shape } from "../../api/operation.ts";
import { count, sharedShapes, status, time } from "../../api/shapes.ts";
import { errorCodes } from "../../core/errors.ts";
import { httpStatusOf } from "../problem.ts";

/** A JSON Schema (draft 2020-12), as OpenAPI 3.1 has it. */
export interface JsonSchema {
  readonly [keyword: string]: unknown;
}

export interface Components {
  /** Adds a schema of Cauce's own under a name, and returns the reference to it. */
  putShape(name: string, shape: z.ZodType): JsonSchema;
  /** Makes a zod schema that becomes the given JSON Schema, such as the reference to a workflow's schema. */
  shapeOf(schema: JsonSchema): z.ZodType;
  /** Adds what a zod schema takes (`input`) or gives (`output`). Its definitions are added as `name.…`. */
  putZod(name: string, schema: z.ZodType, io: "input" | "output"): JsonSchema;
  /** The schemas that `putZod` added as `name` and `name.…`. */
  partsOf(name: string): Readonly<Record<string, JsonSchema>>;
  drop(name: string): void;
  /** Every schema that was added, by name. */
  schemas(): Record<string, JsonSchema>;
}

const prefix = "#/components/schemas/";

/** Makes a reference to a schema, which may be added later. */
export function refTo(name: string): JsonSchema {
  return { $ref: prefix + name };
}

/** Collects the schemas of one document. `shared` holds those that are the same for every workflow. */
export function createComponents(shared: Readonly<Record<string, z.ZodType>>): Components {
  // A registry for this document alone. In zod's own, two workflows whose schemas have the same id would share one.
  const shapes = z.registry<{ id: string }>();
  const holes = new Map<z.core.$ZodType, JsonSchema>();
  const schemas: Record<string, JsonSchema> = {};
  const put = (name: string, schema: JsonSchema): JsonSchema => {
    schemas[name] = schema;
    return refTo(name);
  };
  for (const [id, shape] of Object.entries(shared)) shapes.add(shape, { id });

  return {
    putShape(id, shape) {
      shapes.add(shape, { id });
      return refTo(id);
    },
    shapeOf(schema) {
      const hole = z.unknown();
      holes.set(hole, schema);
      return hole;
    },
    schemas() {
      const { schemas: own } = z.toJSONSchema(shapes, {
        uri: (id) => prefix + id,
        override({ zodSchema, jsonSchema }) {
          tidy({ zodSchema, jsonSchema });
          // Zod bounds every whole number by the range of a double. The API has no such rule.
          if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
          if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
          Object.assign(jsonSchema, holes.get(zodSchema));
        },
      });
      const shown = Object.entries(own).map(([name, schema]) => [name, withoutIdentity(schema)]);
      return { ...Object.fromEntries(shown), ...schemas };
    },
    partsOf: (own) =>
      Object.fromEntries(Object.entries(schemas).filter(([name]) => name === own || name.startsWith(`${own}.`))),
    drop(name) {
      delete schemas[name];
    },
    putZod(name, schema, io) {
      const { $schema: _, $defs = {}, ...root } = jsonSchemaOf(schema, io) as JsonSchema & { $defs?: JsonSchema };
      const names = new Map<string, string>();
      for (const id of Object.keys($defs)) {
        const wanted = `${name}.${id.replace(/[^A-Za-z0-9_-]/g, "_")}`;
        let own = wanted;
        // Two ids may differ only in characters that a name cannot hold: number the second.
        for (let count = 2; [...names.values()].includes(own); count++) own = `${wanted}_${count}`;
        names.set(id, own);
      }
      const retarget = (reference: unknown) => {
        if (reference === "#") return prefix + name;
        const id = typeof reference === "string" ? reference.replace("#/$defs/", "") : "";
        // A JSON pointer writes a slash as ~1 and a tilde as ~0 (RFC 6901).
        const target = names.get(id.replaceAll("~1", "/").replaceAll("~0", "~"));
        return target === undefined ? reference : prefix + target;
      };
      for (const [id, definition] of Object.entries($defs)) {
        put(names.get(id) as string, withReferences(definition as JsonSchema, retarget));
      }
      return put(name, withReferences(root, retarget));
    },
  };
}

/** Makes the JSON Schema of a small zod schema that has no references, to be written where it is used. */
export function inlineSchema(schema: z.ZodType): JsonSchema {
  return withoutIdentity(jsonSchemaOf(schema, "input"));
}

function withoutIdentity({ $schema: _, $id: __, id: ___, ...rest }: JsonSchema): JsonSchema {
  return rest;
}

function jsonSchemaOf(schema: z.ZodType, io: "input" | "output"): JsonSchema {
  return z.toJSONSchema(schema, { io, override: tidy }) as JsonSchema;
}

/** Removes what zod adds and the API does not promise. */
function tidy({ zodSchema, jsonSchema }: { zodSchema: z.core.$ZodType; jsonSchema: z.core.JSONSchema.BaseSchema }) {
  const { def } = zodSchema._zod;
  // Plain objects drop unknown fields. Zod calls their output closed. That would make two schemas of nearly every object,
  // and would tell clients that Cauce never adds a field.
  if (def.type === "object" && (def as z.core.$ZodObjectDef).catchall === undefined) {
    delete jsonSchema.additionalProperties;
  }
}

const ofSchema = [
  "additionalProperties",
  "contains",
  "contentSchema",
  "else",
  "if",
  "items",
  "not",
  "propertyNames",
  "then",
  "unevaluatedItems",
  "unevaluatedProperties",
];
const ofSchemas = ["allOf", "anyOf", "oneOf", "prefixItems", "dependentSchemas", "patternProperties", "properties"];

/** Copies a schema with its references changed. It looks only where schemas stand: an example may hold a `$ref` of its own. */
function withReferences(schema: JsonSchema, retarget: (reference: unknown) => unknown): JsonSchema {
  const inner = (value: unknown): unknown =>
    value !== null && typeof value === "object" ? withReferences(value as JsonSchema, retarget) : value;
  const entries = Object.entries(schema).flatMap(([keyword, value]): [string, unknown][] => {
    // Zod's `id` names the definition. JSON Schema has no such keyword.
    if (keyword === "id") return [];
    if (keyword === "$ref") return [[keyword, retarget(value)]];
    if (ofSchema.includes(keyword)) return [[keyword, inner(value)]];
    if (!ofSchemas.includes(keyword) || value === null || typeof value !== "object") return [[keyword, value]];
    if (Array.isArray(value)) return [[keyword, value.map(inner)]];
    return [[keyword, Object.fromEntries(Object.entries(value).map(([name, part]) => [name, inner(part)]))]];
  });
  return Object.fromEntries(entries);
}

/** The codes that a client can meet. */
const codes = Object.keys(httpStatusOf);

const fault = later(() =>
  z.object({
    path: z.string().describe("Where it is, such as `items.0.sku`; empty for the whole."),
    message: z.string().describe("What is wrong there."),
  }),
);
const faultsLeft = () => z.int().min(1).optional().describe("How many faults are not among `errors`.");
const problem = later(() =>
  z
    .object({
      type: z.string().describe("Always `about:blank`."),
      title: z.string().describe("The phrase of the HTTP status."),
      status: z.int().min(400).max(599),
      detail: z.string().describe("For people: what is wrong, where and what to do, on one line."),
      code: z.enum(codes).describe("Stable: branch on it, not on the texts."),
      errors: z
        .array(fault())
        .optional()
        .describe("The faults, where data, results, a query or a body are refused: the first 100 at most."),
      errorsOmitted: faultsLeft(),
    })
    .describe("An error (RFC 9457)."),
);
const health = later(() => z.object({ status: z.enum(["ok", "unavailable"]) }));
const batchResult = later(() =>
  z
    .object({
      line: z.int().min(1).describe("The line's number in the body; blank lines count."),
      status: z.int().describe("What the order alone would have been answered."),
      order: z.object({ id: z.string(), status: status(), visit: count(), version: count() }).optional(),
      problem: z
        .object({
          code: z.enum(codes),
          detail: z.string(),
          errors: z.array(fault()).optional(),
          errorsOmitted: faultsLeft(),
        })
        .optional(),
    })
    .describe("202 and 200 come with `order`, anything else with `problem`."),
);
const transition = later(() =>
  z
    .object({
      workflow: z.string(),
      order: z.string(),
      status: status(),
      from: z.string().nullable().describe("The status before; null when the order was placed."),
      visit: count(),
      version: count(),
      at: time(),
    })
    .describe("The `data` of a server-sent event `transition`."),
);
const seconds = () => z.number().min(0).nullable();
const stats = later(() =>
  z.object({
    minutes: z.array(
      z.object({
        at: time().describe("When the minute began."),
        workflows: z.array(
          z.object({
            workflow: z.string(),
            placed: count(),
            finished: count(),
            attempts: z.object({ moved: count(), retried: count(), failed: count() }),
            statuses: z.array(
              z.object({
                status: status(),
                entered: count(),
                left: count(),
                timeInStatusP50Seconds: seconds(),
                timeInStatusP99Seconds: seconds(),
                depth: count().describe("The orders that stood in it when the minute ended."),
              }),
            ),
          }),
        ),
      }),
    ),
  }),
);

/** The schemas that are the same for all workflows, by their names in the document. */
export function sharedSchemas(operations: readonly Operation[]): Record<string, z.ZodType> {
  const own: Shape[] = [
    { name: "Fault", schema: fault },
    { name: "Problem", schema: problem },
    ...sharedShapes,
    { name: "Health", schema: health },
    { name: "BatchAnswer", schema: batchResult },
    { name: "Transition", schema: transition },
    { name: "Stats", schema: stats },
  ];
  const results = operations.flatMap(({ shown }) => (typeof shown?.shape === "object" ? [shown.shape] : []));
  return Object.fromEntries(
    [...own, ...results].flatMap(({ name, schema }) => (name === undefined ? [] : [[name, schema()]])),
  );
}

/** The meaning of a code, for descriptions. */
export function meaningOf(code: string): string {
  return (errorCodes as Readonly<Record<string, string>>)[code] ?? "";
}
