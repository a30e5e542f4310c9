/** The fields of requests, and the check of a request against its fields. */
import * as z from "zod";
import { CauceError, type Fault } from "../core/errors.ts";

/** Makes a value at its first use, so that the start of a Lambda function pays for no schema of an unused route. */
export function later<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}

export const statusName = () =>
  z
    .string("must be a status's name")
    .regex(/^[a-z][A-Za-z0-9]{0,39}$/, "must be a status's name: a small letter, then up to 39 letters and digits");
/** The name of a status that an order is to enter. The OpenAPI document lists the workflow's statuses there. */
export const enterableStatus = () => statusName().meta({ [entersStatus]: true });
/** Whether a field is an `enterableStatus`, also inside wrappers such as `optional()`. */
export function isEnterableStatus(schema: z.core.$ZodType): boolean {
  const { def } = schema._zod;
  if ("innerType" in def) return isEnterableStatus(def.innerType as z.core.$ZodType);
  return z.globalRegistry.get(schema)?.[entersStatus] === true;
}
const entersStatus = "x-enters-status";
export const text = (lengthMax: number) =>
  z
    .string("must be text")
    .min(1, "must not be empty")
    .max(lengthMax, `must have at most ${lengthMax} characters`)
    // Stores keep text as UTF-8, where every lone surrogate becomes U+FFFD: it would find orders with another one.
    .refine((value) => value.isWellFormed(), "has half of a surrogate pair, which no UTF-8 can hold");
export const wholeNumber = (max: number) => {
  const message = `must be a whole number from 1 to ${max}`;
  return z.int(message).min(1, "must be at least 1").max(max, `must be at most ${max}`);
};
export const fingerprint = () => text(1_000);
export const cursor = () => text(4_096);
/** The most orders that one call may ask for. */
export const limitMax = 1_000;

/** The fields of an operation or route that takes none. */
export const noFields = later(() => z.strictObject({}));

/** The meaning of each field that stands in a path. */
export const pathFieldMeanings: Readonly<Record<string, string>> = {
  id: "The order's id.",
  status: "The name of a handled status.",
};

/** 1 to 255 visible ASCII characters. */
export const idempotencyKeyPattern = /^[\x21-\x7e]{1,255}$/;

/** The type that a field's text becomes. A query and a command line hold text alone. */
type FieldKind = "text" | "number" | "boolean" | "json";

/** Finds the kind of a field's schema inside wrappers such as `optional()` and `default()`. */
export function fieldKind(schema: z.core.$ZodType): FieldKind {
  const { def } = schema._zod;
  if ("innerType" in def) return fieldKind(def.innerType as z.core.$ZodType);
  if (def.type === "string" || def.type === "enum") return "text";
  return def.type === "number" || def.type === "boolean" ? def.type : "json";
}

/** Checks a body and returns its values. Throws `invalid_request` with every fault. */
export function checkBody<Schema extends z.ZodObject>(schema: () => Schema, value: unknown): z.output<Schema> {
  return check(schema(), value, "the body", "the field");
}

/** Checks a URL's query and returns its values. Throws `invalid_request` with the parameter's name. */
export function checkQuery<Schema extends z.ZodObject>(schema: () => Schema, url: string): z.output<Schema> {
  const start = url.indexOf("?");
  const given = new Map<string, unknown>();
  const { shape } = schema();
  for (const [name, value] of new URLSearchParams(start === -1 ? "" : url.slice(start + 1))) {
    if (given.has(name)) {
      const message = "is given twice; give it once";
      throw new CauceError("invalid_request", `the query parameter "${name}" ${message}`, {
        faults: [{ path: name, message }],
      });
    }
    const field = Object.hasOwn(shape, name) ? shape[name] : undefined;
    given.set(name, field === undefined ? value : fromText(fieldKind(field), value));
  }
  return check(schema(), Object.fromEntries(given), "the query", "the query parameter");
}

/** Turns text into the field's kind. Text that does not fit the kind stays text, and the schema refuses it. */
export function fromText(kind: FieldKind, value: string): unknown {
  if (kind === "number") return /^\d{1,15}$/.test(value) ? Number(value) : value;
  if (kind === "boolean") return value === "true" ? true : value === "false" ? false : value;
  return value;
}

function check<Schema extends z.ZodObject>(
  schema: Schema,
  value: unknown,
  what: string,
  part: string,
): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const known = Object.keys(schema.shape);
  const faults = parsed.error.issues.flatMap((issue): Fault[] => {
    if (issue.code !== "unrecognized_keys") return [{ path: issue.path.map(String).join("."), message: issue.message }];
    const takes = known.length === 0 ? "nothing" : known.join(", ");
    return issue.keys.map((key) => ({ path: key, message: `is unknown; this route takes ${takes}` }));
  });
  const [first] = faults;
  const where = first?.path ? `${part} "${first.path}" ${first.message}` : `${what} must be an object`;
  const more = faults.length > 1 ? ` (and ${faults.length - 1} more)` : "";
  throw new CauceError("invalid_request", `${where}${more}`, { faults });
}
