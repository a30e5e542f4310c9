import { existsSync, statSync } from "node:fs";
import { relative, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { CauceError } from "../core/errors.ts";
import type { App } from "../core/handlers.ts";
import { onProcess } from "../node/server.ts";
import { isCauceError, oneLine } from "./output.ts";

const whatToExport = "its default export must be what implement(…) returned, or an array of those";

const neverLoads =
  "it never ends loading: a top-level await, in it or in a module that it imports, waits for what never comes; take it out, or open in `resources` what it waits for";

/**
 * Imports the module of an app and returns its default export, one or several. Throws `app_not_loadable`, or what
 * `defineWorkflow` and `implement` found wrong (`workflow_invalid`, `app_invalid`, `schema_unsupported`).
 */
export async function loadApp(path: string): Promise<App[]> {
  const file = resolve(path);
  const refuse = (what: string, cause?: unknown): never => {
    throw new CauceError("app_not_loadable", `${path}: ${what}`, { cause });
  };
  if (!existsSync(file)) refuse("there is no such file; give the path of the module that exports the app");
  if (statSync(file).isDirectory()) refuse("this is a directory; give the path of the module in it");

  let module: { readonly default?: unknown };
  try {
    module = await importEnding(pathToFileURL(file).href);
  } catch (error) {
    if (isCauceError(error)) return error.message === neverLoads ? refuse(neverLoads) : Promise.reject(error);
    return refuse(whyNot(error), error);
  }
  if (module.default === undefined) return refuse(`it has no default export; ${whatToExport}`);
  const apps = [module.default].flat();
  if (apps.length === 0) refuse("its default export is an empty array; put what implement(…) returned into it");
  for (const [index, app] of apps.entries()) {
    if (isApp(app)) continue;
    refuse(`its default export ${apps.length > 1 ? `at index ${index} ` : ""}is ${describe(app)}; ${whatToExport}`);
  }
  return apps as App[];
}

/** Imports a module; rejects where it waits for what can no longer come, which Node answers by ending the process. */
async function importEnding(url: string): Promise<{ readonly default?: unknown }> {
  let forget = () => {};
  const idle = new Promise<never>((_, reject) => {
    forget = onProcess("beforeExit", () => reject(new CauceError("app_not_loadable", neverLoads)));
  });
  try {
    return await Promise.race([import(url), idle]);
  } finally {
    forget();
  }
}

/** Why an import failed and what to do, in one line: where it is known, with the file and line. */
function whyNot(error: unknown): string {
  if (!(error instanceof Error)) return `it threw ${describe(error)} while loading; correct it`;
  const message = oneLine(error.message);
  const code = (error as NodeJS.ErrnoException).code;
  if (code === "ERR_MODULE_NOT_FOUND" || code === "MODULE_NOT_FOUND") {
    return `an import is missing: ${shorten(message)}; correct the import, or install what it names`;
  }
  if (code === "ERR_UNKNOWN_FILE_EXTENSION") {
    return `${shorten(message)}; an app is a .ts, .mts, .js or .mjs module`;
  }
  const where = placeOf(error);
  const at = where === undefined ? "" : ` at ${where}`;
  if (code === "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX") {
    return `${message}${at}; Node only strips types, so write it in JavaScript's own syntax`;
  }
  if (error instanceof SyntaxError) {
    const kind = message.includes("does not provide an export") ? "wrong import" : "syntax error";
    const fix = where === undefined ? '"node --check" names the line, in it or a module that it imports' : "correct it";
    return `${kind}${at}: ${shorten(message)}; ${fix}`;
  }
  return `${error.name} while loading${at}: ${shorten(message)}; correct it`;
}

/** Where an error arose, as `file:line`: Node puts a syntax error's place before its stack, others name it in a frame. */
function placeOf(error: Error): string | undefined {
  const stack = error.stack ?? "";
  const before = /^((?:file:\/\/)?\/.+|[A-Za-z]:\\.+):(\d+)$/.exec(stack.split("\n", 1)[0] ?? "");
  const found = before ?? /\(?(file:\/\/\S+?):(\d+):\d+\)?$/m.exec(stack);
  return found?.[1] === undefined ? undefined : `${short(found[1])}:${found[2]}`;
}

function short(fileOrUrl: string): string {
  const file = fileOrUrl.startsWith("file:") ? fileURLToPath(fileOrUrl) : fileOrUrl;
  const fromHere = relative(process.cwd(), file);
  return fromHere.startsWith("..") ? file : fromHere;
}

function shorten(message: string): string {
  return message.replaceAll(`${process.cwd()}/`, "");
}

function isApp(value: unknown): value is App {
  const app = value as Partial<App> | null | undefined;
  return typeof app?.workflow?.name === "string" && typeof app.handlers === "object";
}

function describe(value: unknown): string {
  if (value === null) return "null";
  if (typeof value === "string") return `the string ${JSON.stringify(value)}`;
  if (typeof value === "object" && "statuses" in value) return "a workflow without its handlers";
  return typeof value === "object" ? "an object that is no app" : `a ${typeof value}`;
}
