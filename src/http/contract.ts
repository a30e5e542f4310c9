/** What requests may hold, as zod schemas: every route checks with them. */
import * as z from "zod";
import { CauceError, type Fault } from "../core/errors.ts";
import { minutesMax } from "../engine/meter.ts";

/** Made when it is first asked for: the start of a function pays for no schema of a route that nobody calls. */
function later<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}

const statusName = later(() =>
  z
    .string("must be a status's name")
    .regex(/^[a-z][A-Za-z0-9]{0,39}$/, "must be a status's name: a small letter, then up to 39 letters and digits"),
);
const text = (longest: number) =>
  z.string("must be text").min(1, "must not be empty").max(longest, `must have at most ${longest} characters`);
const wholeNumber = (most: number) => {
  const message = `must be a whole number from 1 to ${most}`;
  return z.int(message).min(1, "must be at least 1").max(most, `must be at most ${most}`);
};
const limitMost = 1_000;
const fingerprint = () => text(1_000);
const cursor = () => text(4_096);

/** `GET /{workflow}` */
export const listQuery = later(() =>
  z.strictObject({
    status: statusName().optional(),
    failed: z.boolean("must be true or false").optional(),
    fingerprint: fingerprint().optional(),
    group: text(1_024).optional(),
    limit: wholeNumber(limitMost).default(50),
    cursor: cursor().optional(),
  }),
);

/** The routes that take no query parameters. */
export const noQuery = later(() => z.strictObject({}));

/** `POST /{workflow}/{id}/transitions` */
export const transitionBody = later(() =>
  z.strictObject({
    to: statusName(),
    reason: text(500).optional(),
    results: z.record(z.string(), z.unknown(), "must be an object").optional(),
    expectedVersion: z.int("must be a whole number").min(0, "must be at least 0").optional(),
  }),
);

/** The routes whose body may be left out: `POST /{workflow}/{id}/retry`, `POST /{workflow}/queues/{status}/pause`, … */
export const noBody = noQuery;

/** `POST /{workflow}/retry` */
export const retryManyBody = later(() =>
  z.strictObject({
    status: statusName().optional(),
    fingerprint: fingerprint().optional(),
    ids: z
      .array(text(256), "must be a list of order ids")
      .min(1, "must name at least one order")
      .max(1_000, "must name at most 1000 orders")
      .optional(),
    limit: wholeNumber(limitMost).optional(),
    cursor: cursor().optional(),
  }),
);

/** `GET /events` */
export const eventsQuery = later(() =>
  z.strictObject({
    workflow: text(40).optional(),
    status: statusName().optional(),
    order: text(256).optional(),
  }),
);

/** `GET /stats` */
export const statsQuery = later(() => z.strictObject({ minutes: wholeNumber(minutesMax).default(60) }));

/** 1 to 255 visible ASCII characters. */
export const idempotencyKeyPattern = /^[\x21-\x7e]{1,255}$/;
/** 1 to 128 visible ASCII characters. */
export const requestIdPattern = /^[\x21-\x7e]{1,128}$/;

/** The value of a body, or `invalid_request` with every fault. */
export function checkBody<Schema extends z.ZodObject>(schema: () => Schema, value: unknown): z.output<Schema> {
  return check(schema(), value, "the body", "the field");
}

/** The values of a URL's query, or `invalid_request` naming the parameter. */
export function checkQuery<Schema extends z.ZodObject>(schema: () => Schema, url: string): z.output<Schema> {
  const start = url.indexOf("?");
  const given = new Map<string, unknown>();
  for (const [name, value] of new URLSearchParams(start === -1 ? "" : url.slice(start + 1))) {
    if (given.has(name)) {
      const message = "is given twice; give it once";
      throw new CauceError("invalid_request", `the query parameter "${name}" ${message}`, {
        faults: [{ path: name, message }],
      });
    }
    given.set(name, typed(name, value));
  }
  return check(schema(), Object.fromEntries(given), "the query", "the query parameter");
}

/** A query is text; what cannot be the parameter's type stays text, for the schema to refuse. */
function typed(name: string, value: string): unknown {
  if (name === "limit" || name === "minutes") return /^\d{1,9}$/.test(value) ? Number(value) : value;
  if (name === "failed") return value === "true" ? true : value === "false" ? false : value;
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
