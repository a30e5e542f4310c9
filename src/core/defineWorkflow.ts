import * as z from "zod";
import { CauceError, delaySecondsMax } from "./errors.ts";
import { workflowMark } from "./marks.ts";
import { messageOf } from "./reasons.ts";
import { namePattern, type StatusDefinition, type Statuses, type Workflow, type WorkflowOptions } from "./workflow.ts";

/**
 * Checks a workflow and returns it. Throws `workflow_invalid` (naming the status and the fix) or
 * `schema_unsupported`.
 */
export function defineWorkflow<
  const S extends Statuses<S>,
  Data extends z.ZodType,
  Results extends z.ZodType = z.ZodType<Record<string, unknown>>,
>(options: WorkflowOptions<S, Data, Results>): Workflow<S, Data, Results> {
  checkWorkflow(options as unknown as Definition);
  for (const status of Object.values(options.statuses)) Object.freeze(status);
  return Object.freeze({
    [workflowMark]: true,
    name: options.name,
    data: options.data,
    results: options.results,
    group: options.group,
    initial: options.initial,
    visitsMax: options.visitsMax ?? 100,
    statuses: Object.freeze(options.statuses),
  });
}

/** The first segments of the server's own routes: no workflow has one of these as its name. */
export const reservedNames: ReadonlySet<string> = new Set([
  "healthz",
  "readyz",
  "queues",
  "events",
  "metrics",
  "stats",
  "docs",
  "assets",
  "openapi",
]);
const timeoutSecondsMax = 43_200;

const known = {
  workflow: ["name", "data", "results", "group", "initial", "visitsMax", "statuses"],
  handled: ["to", "timeoutSeconds", "concurrency", "retry", "exhausted", "retired"],
  waiting: ["to", "waits", "expires", "retired"],
  final: ["final"],
  retry: ["attempts", "baseSeconds", "maxSeconds"],
  expires: ["afterSeconds", "to"],
};

type Definition = WorkflowOptions<Record<string, StatusDefinition>, z.ZodType, z.ZodType>;
type Refuse = (what: string) => never;

/** Checks what the types check, too: users of plain JavaScript have no compiler. */
function checkWorkflow(options: Definition): void {
  const where = `workflow "${String(options?.name)}"`;
  const refuse: Refuse = (what) => {
    throw new CauceError("workflow_invalid", `${where}: ${what}`);
  };
  if (typeof options?.name !== "string" || !namePattern.test(options.name)) {
    refuse(`the name must match ${namePattern.source}`);
  }
  if (reservedNames.has(options.name)) refuse("the name is one of the server's own routes; choose another");
  onlyKnown(options, known.workflow, "the definition", refuse);
  const statuses = new Map(Object.entries(options.statuses ?? {}));
  if (statuses.size === 0) refuse("statuses is empty; name at least an initial and a final status");
  for (const [name, status] of statuses) {
    if (!namePattern.test(name)) refuse(`status "${name}": the name must match ${namePattern.source}`);
    if (status === null || typeof status !== "object") refuse(`status "${name}" must be an object or final`);
    for (const field of ["waits", "final", "retired"] as const) {
      const value: unknown = status[field];
      if (value !== undefined && typeof value !== "boolean") {
        refuse(`status "${name}": ${field} must be true or left out`);
      }
    }
  }
  const { initial, visitsMax } = options;
  checkTarget("initial", initial, statuses, refuse);
  if (statuses.get(initial)?.final) {
    refuse(`initial names "${initial}", which is final; orders must be able to leave it`);
  }
  if (visitsMax !== undefined && !(Number.isInteger(visitsMax) && visitsMax >= 1)) {
    refuse("visitsMax must be a whole number from 1");
  }
  for (const [name, status] of statuses) checkStatus(name, status, statuses, refuse);
  checkSchema(where, "data", options.data);
  if (options.results !== undefined) checkSchema(where, "results", options.results);
  if (options.group !== undefined && typeof options.group !== "function") {
    refuse("group must be a function of the data");
  }
}

function checkStatus(
  name: string,
  status: StatusDefinition,
  statuses: ReadonlyMap<string, StatusDefinition>,
  refuseAll: Refuse,
): void {
  if (status.final) {
    onlyKnown(status, known.final, `status "${name}" is final and`, refuseAll);
    return;
  }
  onlyKnown(status, status.waits ? known.waiting : known.handled, `status "${name}"`, refuseAll);
  const refuse: Refuse = (what) => refuseAll(`status "${name}": ${what}`);
  const target = (field: string, to: unknown) => checkTarget(field, to, statuses, refuse);
  const object = (field: "retry" | "expires", value: unknown): void => {
    if (value === null || typeof value !== "object") {
      refuse(`${field} must be an object, such as { ${known[field].join(", ")} }`);
    }
    onlyKnown(value, known[field], `status "${name}": ${field}`, refuseAll);
  };
  const given: unknown = status.to;
  if (typeof given === "string") refuse(`to must be a list, such as [${JSON.stringify(given)}]`);
  if (!Array.isArray(status.to) || status.to.length === 0) {
    refuse("to must list at least one status; if nothing leaves it, make it final");
  }
  for (const to of status.to) target("to", to);
  if (new Set(status.to).size < status.to.length) refuse("to lists a status twice");
  if (status.waits) {
    if (status.expires === undefined) return;
    object("expires", status.expires);
    checkSeconds("expires.afterSeconds", status.expires.afterSeconds ?? null, delaySecondsMax, refuse);
    target("expires.to", status.expires.to);
    return;
  }
  checkSeconds("timeoutSeconds", status.timeoutSeconds, timeoutSecondsMax, refuse);
  checkCount("concurrency", status.concurrency, refuse);
  if (status.exhausted !== undefined) {
    target("exhausted", status.exhausted);
    if (status.exhausted === name) {
      refuse("exhausted names the status itself, which would loop; leave it out to mark the order failed");
    }
  }
  if (status.retry === undefined) return;
  object("retry", status.retry);
  checkCount("retry.attempts", status.retry.attempts, refuse);
  checkSeconds("retry.baseSeconds", status.retry.baseSeconds, delaySecondsMax, refuse);
  checkSeconds("retry.maxSeconds", status.retry.maxSeconds, delaySecondsMax, refuse);
}

function onlyKnown(value: object, keys: readonly string[], what: string, refuse: Refuse): void {
  const unknown = Object.keys(value).find((key) => !keys.includes(key));
  if (unknown !== undefined) refuse(`${what} has the unknown option "${unknown}"; it takes ${keys.join(", ")}`);
}

function checkTarget(
  field: string,
  to: unknown,
  statuses: ReadonlyMap<string, StatusDefinition>,
  refuse: Refuse,
): void {
  const status = statuses.get(to as string);
  if (status === undefined) {
    const names = [...statuses.keys()].join(", ");
    refuse(`${field} names "${String(to)}", which is no status; use one of ${names}`);
  }
  if (status.retired) refuse(`${field} names "${String(to)}", which is retired; nothing may enter it`);
}

function checkCount(field: string, value: unknown, refuse: Refuse): void {
  if (value === undefined || (Number.isSafeInteger(value) && (value as number) >= 1)) return;
  refuse(`${field} must be a whole number from 1`);
}

function checkSeconds(field: string, value: unknown, secondsMax: number, refuse: Refuse): void {
  if (value === undefined || (typeof value === "number" && value > 0 && value <= secondsMax)) return;
  refuse(`${field} must be a number above 0 up to ${secondsMax}`);
}

function checkSchema(where: string, field: string, schema: z.ZodType): void {
  const { safeParse, _zod } = Object(schema) as Partial<z.ZodType>;
  if (typeof safeParse !== "function" || _zod === undefined) {
    throw new CauceError("workflow_invalid", `${where}: ${field} must be a zod schema, of zod 4`);
  }
  if (isPlain(schema)) return;
  try {
    z.toJSONSchema(schema, {
      override({ zodSchema }) {
        // A transform's input differs from its output, so no single schema describes the data that clients see.
        const { type } = zodSchema._zod.def;
        if (type === "pipe" || type === "transform") throw new Error("transforms cannot be represented in JSON Schema");
      },
    });
  } catch (cause) {
    throw new CauceError(
      "schema_unsupported",
      `${where}: ${field} has no JSON Schema (${messageOf(cause)}); use types that JSON has, such as z.iso.datetime() for a date`,
      { cause },
    );
  }
}

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

/**
 * Whether a schema surely gives JSON for what `JSON.parse` gave: it passes values on and makes none. A check of the
 * user's own may put another value in place of the one that it is given.
 */
export function passesJsonOn(schema: z.core.$ZodType, seen = new Set<z.core.$ZodType>()): boolean {
  if (seen.has(schema)) return true;
  seen.add(schema);
  const def = schema._zod.def as z.core.$ZodTypes["_zod"]["def"];
  const checks: readonly string[] = def.checks?.map((each) => each._zod.def.check) ?? [];
  if (checks.includes("custom") || checks.includes("overwrite")) return false;
  return innerOf(def)?.every((each) => passesJsonOn(each, seen)) ?? false;
}

/** The kinds of schema that have no parts and always a JSON Schema. */
const wholeTypes: ReadonlySet<string> = new Set(["string", "number", "boolean", "null", "never", "unknown", "enum"]);

/** Gives the parts of a schema; undefined for a kind that has no JSON Schema, or not always. */
function innerOf(def: z.core.$ZodTypes["_zod"]["def"]): readonly z.core.$ZodType[] | undefined {
  if (wholeTypes.has(def.type)) return [];
  switch (def.type) {
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
