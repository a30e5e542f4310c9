import * as z from "zod";
import { CauceError, longestDelaySeconds } from "./errors.ts";
import { isPlain } from "./plainSchema.ts";
import type { StatusDefinition, Statuses, Workflow, WorkflowOptions } from "./workflow.ts";

/**
 * Checks a workflow and returns it. Throws `workflow_invalid` (naming the status and the fix) or
 * `schema_unsupported`.
 */
export function defineWorkflow<
  const S extends Statuses<S>,
  Data extends z.ZodType,
  Results extends z.ZodType = z.ZodType<Record<string, unknown>>,
>(options: WorkflowOptions<S, Data, Results>): Workflow<S, Data, Results> {
  checkWorkflow(options as unknown as WorkflowOptions<Record<string, StatusDefinition>, z.ZodType, z.ZodType>);
  return Object.freeze({
    name: options.name,
    data: options.data,
    results: options.results,
    group: options.group,
    initial: options.initial,
    visitsMax: options.visitsMax ?? 100,
    statuses: freezeStatuses(options.statuses),
  });
}

function freezeStatuses<S extends object>(statuses: S): S {
  for (const status of Object.values(statuses)) Object.freeze(status);
  return Object.freeze(statuses);
}

const namePattern = /^[a-z][A-Za-z0-9]{0,39}$/;
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
const longestTimeoutSeconds = 43_200;

const known = {
  workflow: ["name", "data", "results", "group", "initial", "visitsMax", "statuses"],
  handled: ["to", "timeoutSeconds", "concurrency", "retry", "exhausted", "retired"],
  waiting: ["to", "waits", "expires", "retired"],
  final: ["final"],
  retry: ["attempts", "baseSeconds", "maxSeconds"],
  expires: ["afterSeconds", "to"],
};

/** Also for users of plain JavaScript, whom no compiler has told. */
function checkWorkflow(options: WorkflowOptions<Record<string, StatusDefinition>, z.ZodType, z.ZodType>): void {
  const where = `workflow "${String(options?.name)}"`;
  const refuse = (what: string): never => {
    throw new CauceError("workflow_invalid", `${where}: ${what}`);
  };
  const onlyKnown = (value: object, keys: readonly string[], what: string) => {
    for (const key of Object.keys(value)) {
      if (!keys.includes(key)) refuse(`${what} has the unknown option "${key}"; it takes ${keys.join(", ")}`);
    }
  };
  if (typeof options?.name !== "string" || !namePattern.test(options.name)) {
    refuse(`the name must match ${namePattern.source}`);
  }
  if (reservedNames.has(options.name)) refuse(`the name is one of the server's own routes; choose another`);
  onlyKnown(options, known.workflow, "the definition");
  const names = Object.keys(options.statuses ?? {});
  if (names.length === 0) refuse("statuses is empty; name at least an initial and a final status");
  const kinds = new Map(names.map((name) => [name, options.statuses[name] as StatusDefinition]));
  for (const [name, status] of kinds) {
    if (!namePattern.test(name)) refuse(`status "${name}": the name must match ${namePattern.source}`);
    if (status === null || typeof status !== "object") refuse(`status "${name}" must be an object or final`);
    for (const field of ["waits", "final", "retired"] as const) {
      const value: unknown = status[field];
      if (value !== undefined && typeof value !== "boolean")
        refuse(`status "${name}": ${field} must be true or left out`);
    }
  }
  const objectOf = (from: string, field: "retry" | "expires", value: unknown) => {
    if (value === null || typeof value !== "object") {
      return refuse(`status "${from}": ${field} must be an object, such as { ${known[field].join(", ")} }`);
    }
    onlyKnown(value, known[field], `status "${from}": ${field}`);
  };
  const target = (from: string, field: string, to: unknown) => {
    const status = kinds.get(to as string);
    if (status === undefined) {
      return refuse(
        `status "${from}": ${field} names "${String(to)}", which is no status; use one of ${names.join(", ")}`,
      );
    }
    if (status.retired)
      refuse(`status "${from}": ${field} names "${String(to)}", which is retired; nothing may enter it`);
  };
  const positive = (from: string, field: string, value: unknown, whole: boolean, most = Number.MAX_SAFE_INTEGER) => {
    if (value === undefined) return;
    const fits =
      typeof value === "number" && (whole ? Number.isInteger(value) && value >= 1 : value > 0) && value <= most;
    if (!fits) {
      const kind = whole ? "a whole number from 1" : "a number above 0";
      refuse(`status "${from}": ${field} must be ${kind}${most < Number.MAX_SAFE_INTEGER ? ` up to ${most}` : ""}`);
    }
  };

  if (!kinds.has(options.initial)) {
    refuse(`initial names "${String(options.initial)}", which is no status; use one of ${names.join(", ")}`);
  }
  if (kinds.get(options.initial)?.retired) refuse(`initial names "${options.initial}", which is retired`);
  if (kinds.get(options.initial)?.final)
    refuse(`initial names "${options.initial}", which is final; orders must be able to leave it`);
  if (options.visitsMax !== undefined && !(Number.isInteger(options.visitsMax) && options.visitsMax >= 1)) {
    refuse("visitsMax must be a whole number from 1");
  }
  for (const [name, status] of kinds) {
    if (status.final) {
      onlyKnown(status, known.final, `status "${name}" is final and`);
      continue;
    }
    onlyKnown(status, status.waits ? known.waiting : known.handled, `status "${name}"`);
    const given: unknown = status.to;
    if (typeof given === "string") refuse(`status "${name}": to must be a list, such as [${JSON.stringify(given)}]`);
    if (!Array.isArray(status.to) || status.to.length === 0) {
      refuse(`status "${name}": to must list at least one status; if nothing leaves it, make it final`);
    }
    for (const to of status.to) target(name, "to", to);
    if (new Set(status.to).size < status.to.length) refuse(`status "${name}": to lists a status twice`);
    if (status.waits) {
      if (status.expires !== undefined) {
        objectOf(name, "expires", status.expires);
        positive(name, "expires.afterSeconds", status.expires.afterSeconds ?? null, false, longestDelaySeconds);
        target(name, "expires.to", status.expires.to);
      }
      continue;
    }
    positive(name, "timeoutSeconds", status.timeoutSeconds, false, longestTimeoutSeconds);
    positive(name, "concurrency", status.concurrency, true);
    if (status.exhausted !== undefined) {
      target(name, "exhausted", status.exhausted);
      if (status.exhausted === name)
        refuse(
          `status "${name}": exhausted names the status itself, which would loop; leave it out to mark the order failed`,
        );
    }
    if (status.retry !== undefined) {
      objectOf(name, "retry", status.retry);
      positive(name, "retry.attempts", status.retry.attempts, true);
      positive(name, "retry.baseSeconds", status.retry.baseSeconds, false, longestDelaySeconds);
      positive(name, "retry.maxSeconds", status.retry.maxSeconds, false, longestDelaySeconds);
    }
  }
  checkSchema(where, "data", options.data);
  if (options.results !== undefined) checkSchema(where, "results", options.results);
  if (options.group !== undefined && typeof options.group !== "function")
    refuse("group must be a function of the data");
}

function checkSchema(where: string, field: string, schema: z.ZodType): void {
  if (typeof (schema as { safeParse?: unknown } | undefined)?.safeParse !== "function") {
    throw new CauceError("workflow_invalid", `${where}: ${field} must be a zod schema`);
  }
  if (isPlain(schema)) return;
  try {
    z.toJSONSchema(schema, {
      override({ zodSchema }) {
        // What a transform takes and what it gives differ, so no one schema describes the data that clients see.
        const { type } = zodSchema._zod.def;
        if (type === "pipe" || type === "transform") throw new Error("transforms cannot be represented in JSON Schema");
      },
    });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new CauceError(
      "schema_unsupported",
      `${where}: ${field} has no JSON Schema (${reason}); use types that JSON has, such as z.iso.datetime() for a date`,
      { cause },
    );
  }
}
