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
  /** Keeps a schema of Cauce's own under a name, and gives the reference to it. */
  putShape(name: string, shape: z.ZodType): JsonSchema;
  /** What stands in a schema of Cauce's own for a JSON Schema, such as the reference to a workflow's. */
  shapeOf(schema: JsonSchema): z.ZodType;
  /** Keeps what a zod schema takes (`input`) or gives (`output`), with everything that it refers to under `name.…`. */
  putZod(name: string, schema: z.ZodType, io: "input" | "output"): JsonSchema;
  /** What was put by `putZod` under this name and under `name.…`. */
  partsOf(name: string): Readonly<Record<string, JsonSchema>>;
  drop(name: string): void;
  /** Everything that was put, by name. */
  schemas(): Record<string, JsonSchema>;
}

const prefix = "#/components/schemas/";

/** A reference to a schema that was or will be put. */
export function refTo(name: string): JsonSchema {
  return { $ref: prefix + name };
}

/** The schemas of one document. `shared` are those of every workflow. */
export function createComponents(shared: Readonly<Record<string, z.ZodType>>): Components {
  // A registry of this document alone: in zod's own, two workflows with one id for a schema would be one.
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
          // Zod bounds every whole number by what a double holds, which is no rule of the API.
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
        // Two ids that differ only in what a name may not hold.
        for (let count = 2; [...names.values()].includes(own); count++) own = `${wanted}_${count}`;
        names.set(id, own);
      }
      const moved = (reference: unknown) => {
        if (reference === "#") return prefix + name;
        const id = typeof reference === "string" ? reference.replace("#/$defs/", "") : "";
        // Inside a pointer a slash is ~1 and a tilde ~0 (RFC 6901).
        const target = names.get(id.replaceAll("~1", "/").replaceAll("~0", "~"));
        return target === undefined ? reference : prefix + target;
      };
      for (const [id, definition] of Object.entries($defs)) {
        put(names.get(id) as string, movedIn(definition as JsonSchema, moved));
      }
      return put(name, movedIn(root, moved));
    },
  };
}

/** The schema as it stands in a place of its own, for what is small and refers to nothing. */
export function inlineSchema(schema: z.ZodType): JsonSchema {
  return withoutIdentity(jsonSchemaOf(schema, "input"));
}

function withoutIdentity({ $schema: _, $id: __, id: ___, ...rest }: JsonSchema): JsonSchema {
  return rest;
}

function jsonSchemaOf(schema: z.ZodType, io: "input" | "output"): JsonSchema {
  return z.toJSONSchema(schema, { io, override: tidy }) as JsonSchema;
}

/** Takes out what zod says of its own, and what is no rule of the API. */
function tidy({ zodSchema, jsonSchema }: { zodSchema: z.core.$ZodType; jsonSchema: z.core.JSONSchema.BaseSchema }) {
  const { def } = zodSchema._zod;
  // Plain objects drop what they do not know. Zod calls their output closed, which would make two schemas of nearly
  // every one, and tell clients that no field may ever be added.
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

/** The same schema with every reference moved. Goes where schemas are and nowhere else: an example may have a `$ref` of its own. */
function movedIn(schema: JsonSchema, moved: (reference: unknown) => unknown): JsonSchema {
  const inner = (value: unknown): unknown =>
    value !== null && typeof value === "object" ? movedIn(value as JsonSchema, moved) : value;
  const entries = Object.entries(schema).flatMap(([keyword, value]): [string, unknown][] => {
    // What zod calls an id names the definition, and is no keyword of JSON Schema.
    if (keyword === "id") return [];
    if (keyword === "$ref") return [[keyword, moved(value)]];
    if (ofSchema.includes(keyword)) return [[keyword, inner(value)]];
    if (!ofSchemas.includes(keyword) || value === null || typeof value !== "object") return [[keyword, value]];
    if (Array.isArray(value)) return [[keyword, value.map(inner)]];
    return [[keyword, Object.fromEntries(Object.entries(value).map(([name, part]) => [name, inner(part)]))]];
  });
  return Object.fromEntries(entries);
}

/** The schemas of answers that are the same for every workflow, and are no operation's result. */

/** The codes that a client can meet. */
const codes = Object.keys(httpStatusOf);

const fault = later(() =>
  z.object({
    path: z.string().describe("Where it is, such as `items.0.sku`; empty for the whole."),
    message: z.string().describe("What is wrong there."),
  }),
);
const problem = later(() =>
  z
    .object({
      type: z.string().describe("Always `about:blank`."),
      title: z.string().describe("The phrase of the HTTP status."),
      status: z.int().min(400).max(599),
      detail: z.string().describe("For people: what is wrong, where and what to do, on one line."),
      code: z.enum(codes).describe("Stable: branch on it, not on the texts."),
      errors: z.array(fault()).optional().describe("Each fault, where data, results, a query or a body are refused."),
    })
    .describe("An error (RFC 9457)."),
);
const health = later(() => z.object({ status: z.enum(["ok", "unavailable"]) }));
const batchAnswer = later(() =>
  z
    .object({
      line: z.int().min(1).describe("The line's number in the body; blank lines count."),
      status: z.int().describe("What the order alone would have been answered."),
      order: z.object({ id: z.string(), status: status(), visit: count(), version: count() }).optional(),
      problem: z.object({ code: z.enum(codes), detail: z.string(), errors: z.array(fault()).optional() }).optional(),
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

/** Every schema that is the same for all workflows, by its name in the document. */
export function sharedSchemas(operations: readonly Operation[]): Record<string, z.ZodType> {
  const own: Shape[] = [
    { name: "Fault", schema: fault },
    { name: "Problem", schema: problem },
    ...sharedShapes,
    { name: "Health", schema: health },
    { name: "BatchAnswer", schema: batchAnswer },
    { name: "Transition", schema: transition },
    { name: "Stats", schema: stats },
  ];
  const results = operations.flatMap(({ shown }) => (typeof shown?.shape === "object" ? [shown.shape] : []));
  return Object.fromEntries(
    [...own, ...results].flatMap(({ name, schema }) => (name === undefined ? [] : [[name, schema()]])),
  );
}

/** What a code means, for descriptions. */
export function meaningOf(code: string): string {
  return (errorCodes as Readonly<Record<string, string>>)[code] ?? "";
}
