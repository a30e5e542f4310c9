import * as z from "zod";

const formats: Readonly<Record<string, string>> = {
  email: "someone@example.com",
  uri: "https://example.com",
  uuid: "01890a5d-ac96-774b-bcce-b302099a8057",
  date: "2026-01-31",
  time: "12:00:00",
  "date-time": "2026-01-31T12:00:00Z",
  ipv4: "192.0.2.1",
  ipv6: "2001:db8::1",
};

/**
 * Makes data that the schema takes: the schema's own first example (`.meta({ examples: […] })`), or made-up data.
 * Undefined where the schema checks more than its JSON Schema says.
 */
export function sampleData(schema: z.ZodType): unknown {
  try {
    const sample = sampleOf(z.toJSONSchema(schema, { io: "input" }));
    return schema.safeParse(sample).success ? sample : undefined;
  } catch {
    // A refinement may be asynchronous or throw.
    return undefined;
  }
}

function sampleOf(schema: z.core.JSONSchema._JSONSchema): unknown {
  if (typeof schema === "boolean") return null;
  const given = [schema.examples?.[0], schema.const, schema.enum?.[0], schema.default].find((v) => v !== undefined);
  if (given !== undefined) return given;
  const first = schema.anyOf?.[0] ?? schema.oneOf?.[0];
  if (first !== undefined) return sampleOf(first);
  switch ([schema.type].flat()[0]) {
    case "object": {
      const required = schema.required ?? [];
      return Object.fromEntries(required.map((name) => [name, sampleOf(schema.properties?.[name] ?? {})]));
    }
    case "array": {
      const [items = {}] = [schema.items].flat();
      const length = Math.max(1, schema.minItems ?? 0);
      return schema.prefixItems?.map(sampleOf) ?? Array.from({ length }, () => sampleOf(items));
    }
    case "string":
      return formats[schema.format ?? ""] ?? "text".padEnd(schema.minLength ?? 0, "x").slice(0, schema.maxLength);
    case "integer":
    case "number":
      return Math.min(
        Math.max(1, schema.minimum ?? 1, Number(schema.exclusiveMinimum ?? 0) + 1),
        schema.maximum ?? Infinity,
      );
    case "boolean":
      return true;
    default:
      return null;
  }
}
