import * as z from "zod";

/**
 * Whether a schema surely has a JSON Schema, by its parts. Where this is false, zod must be asked, which costs every
 * start about 5 ms: zod's first JSON Schema takes as long.
 */
export function isPlain(schema: z.core.$ZodType, seen = new Set<z.core.$ZodType>()): boolean {
  // A schema may contain itself.
  if (seen.has(schema)) return true;
  seen.add(schema);
  const { def, toJSONSchema } = schema._zod ?? {};
  if (def === undefined || toJSONSchema !== undefined || !hasPlainMeta(schema)) return false;
  const inner = innerOf(def as z.core.$ZodTypes["_zod"]["def"]);
  return inner?.every((each) => isPlain(each, seen)) ?? false;
}

/** Gives the parts of a schema; undefined for a kind that has no JSON Schema, or not always. */
function innerOf(def: z.core.$ZodTypes["_zod"]["def"]): readonly z.core.$ZodType[] | undefined {
  switch (def.type) {
    case "string":
    case "number":
    case "boolean":
    case "null":
    case "never":
    case "unknown":
    case "enum":
      return [];
    case "literal":
      return def.values.every((value) => typeof value === "string" || typeof value === "boolean") ? [] : undefined;
    case "object":
      return [...Object.values(def.shape), ...(def.catchall === undefined ? [] : [def.catchall])];
    case "array":
      return [def.element];
    case "optional":
    case "nullable":
      return [def.innerType];
    case "record":
      return [def.keyType, def.valueType];
    case "union":
      return def.options;
    default:
      return undefined;
  }
}

/** Whether a schema's metadata fits a JSON Schema: it has no id, which would have to be unique, and is JSON. */
function hasPlainMeta(schema: z.core.$ZodType): boolean {
  const meta = z.globalRegistry.get(schema);
  if (meta === undefined) return true;
  if (meta.id !== undefined) return false;
  try {
    JSON.stringify(meta);
    return true;
  } catch {
    return false;
  }
}
