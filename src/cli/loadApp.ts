/** Loads the module of an app, and says in one line why it cannot be loaded. */
import { existsSync, statSync } from "node:fs";
import { relative, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { defaultExportOf } from "../core/defaultExport.ts";
import { CauceError } from "../core/errors.ts";
import { type App, isApp } from "../core/handlers.ts";
import { isError, messageOf } from "../core/reasons.ts";
import { onProcess } from "../node/server.ts";
import { oneLine, systemCode } from "./output.ts";

const whatToExport = "its default export must be what implement(…) returned, or an array of those";

const neverLoads =
  "it never ends loading: a top-level await in it, or in a module that it imports, waits for something that never comes; remove the await, or open what it waits for in `resources`";

/**
 * Imports the module of an app and returns its default export: one app or several.
 * @throws `app_not_loadable`; what `defineWorkflow` and `implement` found wrong (`workflow_invalid`, `app_invalid`,
 * `schema_unsupported`)
 */
export async function loadApp(path: string): Promise<App[]> {
  const file = resolve(path);
  const refuse = (what: string, cause?: unknown): never => {
    throw new CauceError("app_not_loadable", `${path}: ${what}`, { cause });
  };
  if (!existsSync(file)) refuse("there is no such file; give the path of the module that exports the app");
  if (statSync(file).isDirectory()) refuse("this is a directory; give the path of the module in it");

  let exported: unknown;
  try {
    exported = defaultExportOf(await importEnding(pathToFileURL(file).href));
  } catch (error) {
    if (error instanceof CauceError) throw error;
    return error === neverLoads ? refuse(neverLoads) : refuse(explain(error), error);
  }
  if (exported === undefined) return refuse(`it has no default export; ${whatToExport}`);
  const apps = [exported].flat();
  if (apps.length === 0) refuse("its default export is an empty array; put what implement(…) returned into it");
  for (const [index, app] of apps.entries()) {
    if (isApp(app)) continue;
    refuse(`its default export ${apps.length > 1 ? `at index ${index} ` : ""}is ${describe(app)}; ${whatToExport}`);
  }
  return apps as App[];
}

/** Imports a module. Rejects if the module waits for what can no longer come: Node would end the process. */
async function importEnding(url: string): Promise<{ readonly default?: unknown }> {
  const idle = Promise.withResolvers<never>();
  const forget = onProcess("beforeExit", () => idle.reject(neverLoads));
  try {
    return await Promise.race([import(url), idle.promise]);
  } finally {
    forget();
  }
}

/** Says in one line why an import failed and what to do; with the file and line, if they are known. */
function explain(error: unknown): string {
  if (!isError(error)) return `it threw ${describe(error)} while loading; correct it`;
  const message = oneLine(messageOf(error)).replaceAll(`${process.cwd()}/`, "");
  const code = systemCode(error);
  if (code === "ERR_MODULE_NOT_FOUND" || code === "MODULE_NOT_FOUND") {
    return `an import is missing: ${message}; correct the import, or install what it names`;
  }
  if (code === "ERR_UNKNOWN_FILE_EXTENSION") return `${message}; an app is a .ts, .mts, .js, .mjs or .cjs module`;
  const where = locationOf(error);
  const at = where === undefined ? "" : ` at ${where}`;
  if (code === "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX") {
    return `${message}${at}; Node only strips types, so write it in JavaScript's own syntax`;
  }
  if (error.name === "SyntaxError") {
    const kind = message.includes("does not provide an export") ? "wrong import" : "syntax error";
    const fix = where === undefined ? '"node --check" names the line, in it or a module that it imports' : "correct it";
    return `${kind}${at}: ${message}; ${fix}`;
  }
  return `${error.name} while loading${at}: ${message}; correct it`;
}

/**
 * Finds where an error arose, as `file:line`. Node puts a syntax error's location before its stack; other errors have it
 * in a frame.
 */
function locationOf(error: Error): string | undefined {
  const stack = error.stack ?? "";
  const before = /^((?:file:\/\/)?\/.+|[A-Za-z]:\\.+):(\d+)$/.exec(stack.split("\n", 1)[0] ?? "");
  const found = before ?? /\(?(file:\/\/\S+?):(\d+):\d+\)?$/m.exec(stack);
  if (found?.[1] === undefined) return undefined;
  const file = found[1].startsWith("file:") ? fileURLToPath(found[1]) : found[1];
  const fromHere = relative(process.cwd(), file);
  return `${fromHere.startsWith("..") ? file : fromHere}:${found[2]}`;
}

function describe(value: unknown): string {
  if (value === null) return "null";
  if (typeof value === "string") return `the string ${JSON.stringify(value)}`;
  if (typeof value === "object" && "statuses" in value) return "a workflow without its handlers";
  return typeof value === "object" ? "an object that is no app" : `a ${typeof value}`;
}
