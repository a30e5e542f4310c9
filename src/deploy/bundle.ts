import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { type BuildFailure, type BuildOptions, buildSync, type Metafile } from "esbuild";
import { CauceError } from "../core/errors.ts";
import type { App } from "../core/handlers.ts";
import { bundleFile, type FunctionPlan, type FunctionRole } from "./topology.ts";

interface BundleOptions {
  /** The module whose default export is the app, or an array that holds it. */
  readonly module: string;
  readonly app: App;
  readonly plan: FunctionPlan;
  /** Where the bundle goes: a folder of its own. */
  readonly directory: string;
}

const factories: Readonly<Record<FunctionRole, string>> = {
  request: "requestHandler",
  processing: "processingHandler",
  sweep: "sweepHandler",
};

// Some packages of the SDK are CommonJS and load Node's modules by `require`.
const banner = 'import{createRequire as cauceRequire}from"node:module";const require=cauceRequire(import.meta.url);';
// Cauce that runs from its sources bundles its sources.
const conditions = import.meta.url.endsWith(".ts") ? ["source"] : [];

/**
 * Bundles one function as one minified file. A lazy handler of a status that the function does not serve stays out of
 * the file, if nothing else in the app imports the handler's module. Throws `bundle_failed`.
 */
export function bundleFunction({ module, app, plan, directory }: BundleOptions): Metafile {
  mkdirSync(directory, { recursive: true });
  const contents = [
    `import apps from ${JSON.stringify(module)};`,
    `import { ${factories[plan.role]} as handlerOf } from "cauce/lambda";`,
    `export const handler = handlerOf([apps].flat().filter(({ workflow }) => workflow.name === "${app.workflow.name}"));`,
  ].join("\n");
  const build = (external: readonly string[], write: boolean): Metafile =>
    buildOrRefuse(plan.name, {
      stdin: { contents, resolveDir: dirname(module), loader: "ts" },
      outfile: join(directory, bundleFile),
      absWorkingDir: dirname(module),
      ...{ bundle: true, minify: true, metafile: true, platform: "node", target: "node24", format: "esm", write },
      conditions,
      mainFields: ["module", "main"],
      external: [...external],
      banner: { js: banner },
      logLevel: "silent",
    });
  const others = Object.keys(app.handlers).filter((status) => !plan.statuses.includes(status));
  const leftOut = others.length === 0 ? [] : leaveOut(build([], false), app, plan.statuses);
  return build(
    leftOut.map((file) => join(dirname(module), file)),
    true,
  );
}

function buildOrRefuse(name: string, options: BuildOptions): Metafile {
  try {
    return buildSync(options).metafile as Metafile;
  } catch (cause) {
    const [first] = (cause as Partial<BuildFailure>).errors ?? [];
    const { file, line } = first?.location ?? {};
    const at = file === undefined || file === "<stdin>" ? "" : ` at ${file}:${line}`;
    throw new CauceError(
      "bundle_failed",
      `the function ${name} cannot be bundled${at}: ${first?.text ?? cause}; correct it, or install what it names`,
      { cause },
    );
  }
}

/** Finds the modules of lazy handlers that only statuses other than `kept` load. */
function leaveOut({ inputs }: Pick<Metafile, "inputs">, app: App, kept: readonly string[]): string[] {
  const loads = new Map<string, string[]>();
  for (const [status, handler] of Object.entries(app.handlers)) {
    if (typeof handler === "function") continue;
    for (const specifier of specifiersOf(String(handler.lazy))) {
      loads.set(specifier, [...(loads.get(specifier) ?? []), status]);
    }
  }
  const records = Object.values(inputs).flatMap(({ imports }) => imports);
  return [...loads].flatMap(([specifier, statuses]) => {
    if (statuses.some((status) => kept.includes(status))) return [];
    const files = new Set(records.filter(({ original }) => original === specifier).map(({ path }) => path));
    const [file] = files;
    // Elsewhere the same specifier may mean another module, or something else may import the module. Then it is kept.
    if (file === undefined || files.size > 1) return [];
    const importing = records.filter(({ path }) => path === file);
    const lazily = importing.filter(({ kind, original }) => kind === "dynamic-import" && original === specifier);
    return lazily.length === importing.length && importing.length <= statuses.length ? [file] : [];
  });
}

function specifiersOf(source: string): string[] {
  return [...source.matchAll(/\bimport\(\s*(["'`])(.+?)\1\s*\)/g)].map(([, , specifier]) => specifier as string);
}
