/** The fields that requests are made of, and how what came is checked against them. */
import * as z from "zod";
import { CauceError, type Fault } from "../core/errors.ts";

/** Made when it is first asked for: the start of a function pays for no schema of a route that is never called. */
export function later<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}

export const statusName = () =>
  z
    .string("must be a status's name")
    .regex(/^[a-z][A-Za-z0-9]{0,39}$/, "must be a status's name: a small letter, then up to 39 letters and digits");
/** The name of a status that an order is to enter. The API's description names those that the workflow has. */
export const enterableStatus = () => statusName().meta({ [entersStatus]: true });
/** Whether a field is an `enterableStatus`, whatever it is wrapped in. */
export function isEnterableStatus(schema: z.core.$ZodType): boolean {
  const { def } = schema._zod;
  if ("innerType" in def) return isEnterableStatus(def.innerType as z.core.$ZodType);
  return z.globalRegistry.get(schema)?.[entersStatus] === true;
}
const entersStatus = "x-enters-status";
export const text = (lengthMax: number) =>
  z.string("must be text").min(1, "must not be empty").max(lengthMax, `must have at most ${lengthMax} characters`);
export const wholeNumber = (max: number) => {
  const message = `must be a whole number from 1 to ${max}`;
  return z.int(message).min(1, "must be at least 1").max(max, `must be at most ${max}`);
};
export const fingerprint = () => text(1_000);
export const cursor = () => text(4_096);
/** How many orders one call may ask for. */
export const limitMax = 1_000;

/** An operation or route that takes no fields. */
export const noFields = later(() => z.strictObject({}));

/** What the field in an operation's path means. */
export const pathFieldMeanings: Readonly<Record<string, string>> = {
  id: "The order's id.",
  status: "The name of a handled status.",
};

/** 1 to 255 visible ASCII characters. */
export const idempotencyKeyPattern = /^[\x21-\x7e]{1,255}$/;

/** What a field takes, as far as text must become it: a query and a command line bring text alone. */
export type FieldKind = "text" | "number" | "boolean" | "json";

/** The kind of a field's schema, whatever default it has and whether it may be left out. */
export function fieldKind(schema: z.core.$ZodType): FieldKind {
  const { def } = schema._zod;
  if ("innerType" in def) return fieldKind(def.innerType as z.core.$ZodType);
  if (def.type === "string" || def.type === "enum") return "text";
  return def.type === "number" || def.type === "boolean" ? def.type : "json";
}

/** The values of a body, or `invalid_request` with every fault. */
export function checkBody<Schema extends z.ZodObject>(schema: () => Schema, value: unknown): z.output<Schema> {
  return check(schema(), value, "the body", "the field");
}

/** The values of a URL's query, or `invalid_request` naming the parameter. */
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

/** Text as the field takes it. What cannot be of the field's kind stays text, for the schema to refuse. */
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
