import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, posix, relative, resolve, sep } from "node:path";
import { findImports, parseSource } from "./syntax.ts";

/** Why a test file is slow, or needs more than Node. */
export type Need = "emulator" | "browser" | "walk" | "packing" | "killing";

export const needs: Readonly<Record<Need, string>> = {
  emulator: "starts an AWS emulator",
  browser: "opens a browser",
  walk: "runs the commands that a page of the docs shows",
  packing: "packs or installs a package with npm",
  killing: "kills servers, or fills or breaks their stores",
};

export interface TestFiles {
  readonly kept: readonly string[];
  /** The files with one of the needs that were asked for, each with the chain of modules that leads there. */
  readonly leftOut: readonly LeftOut[];
}

export interface LeftOut {
  readonly file: string;
  readonly need: Need;
  readonly way: readonly string[];
}

const emulators = ["dynalite", "fauxqs"];
const browsers = ["playwright-core"];
const commandFiles = ["bin/cauce.js", "src/cli/main.ts"];
/** Matches the words of a command line that emulates. The app follows as a name or a path, or an option follows. */
const emulating = /"emulate",\s*(?:\.\.\.)?(?:\w|"[^"]*\.app\.[jt]s"|"--\w)/;
/** Matches the words of a command line that packs or installs, and a call of the function of src that packs. */
const packing = /"npm",\s*"(?:pack|install|ci)"|"npx",\s|\bpackCheckout\(/;
/** Matches the module that starts servers for tests that kill them. */
const killedServers = /^scripts\/crash\/server\.ts$/;
/** Matches a module that gives pages of the docs to other modules. */
const readingPages = /^export (?:const|(?:async )?function) readPages?\b/m;

/** Divides the test files of a checkout by what the modules need that the files lead to. */
export function findTestFiles(root: string, asked: readonly Need[]): TestFiles {
  const files = globSync("test/**/*.test.ts", { cwd: root }).map(slashed).sort();
  const graph = graphOf(root, files);
  const kept: string[] = [];
  const leftOut: LeftOut[] = [];
  for (const file of files) {
    const ways = waysFrom(file, graph);
    const found = asked.flatMap((need) => {
      const way = finders[need](ways, graph);
      return way === undefined ? [] : [{ file, need, way }];
    });
    if (found[0] === undefined) kept.push(file);
    else leftOut.push(found[0]);
  }
  return { kept, leftOut };
}

type Ways = ReadonlyMap<string, readonly string[]>;
type Graph = ReadonlyMap<string, Module>;

/** Gives for each need the way from a file to the module that has the need, or undefined. */
const finders: Readonly<Record<Need, (ways: Ways, graph: Graph) => readonly string[] | undefined>> = {
  /**
   * A file starts an emulator if it leads to a module that imports one. It also does if it leads to this checkout's
   * command and to a module with the words `emulate APP`.
   */
  emulator(ways, graph) {
    const emulator = emulators.find((name) => ways.has(name));
    if (emulator !== undefined) return ways.get(emulator);
    if (!commandFiles.some((each) => ways.has(each))) return undefined;
    const [, words] = [...ways].find(([path]) => graph.get(path)?.emulates) ?? [];
    return words === undefined ? undefined : [...words, "cauce emulate"];
  },
  browser: (ways) => browsers.flatMap((name) => [ways.get(name)]).find((way) => way !== undefined),
  packing(ways, graph) {
    const [, words] = [...ways].find(([path]) => graph.get(path)?.packs) ?? [];
    return words === undefined ? undefined : [...words, "npm"];
  },
  killing: (ways) => [...ways].find(([path]) => killedServers.test(path))?.[1],
  /** A file runs the commands of pages if it leads to a module that reads pages and, without src, to one that starts processes. */
  walk(ways, graph) {
    const [, pages] = [...ways].find(([path]) => graph.get(path)?.readsPages) ?? [];
    const starting = [...ways].find(
      ([path, way]) => path === "node:child_process" && !way.some((each) => each.startsWith("src/")),
    );
    return pages === undefined || starting === undefined ? undefined : [...pages, "pages"];
  },
};

interface Module {
  readonly leadsTo: readonly string[];
  /** Whether the module has the words of a command line that emulates. */
  readonly emulates: boolean;
  /** Whether the module packs or installs a package. */
  readonly packs: boolean;
  /** Whether the module gives pages of the docs to other modules. */
  readonly readsPages: boolean;
}

/** Finds what each module leads to. A module of src leads only to the modules that it loads at once. */
function graphOf(root: string, files: readonly string[]): Map<string, Module> {
  const graph = new Map<string, Module>();
  const aliases = aliasesOf(root);
  const pending = [...files];
  for (const path of pending) {
    if (graph.has(path)) continue;
    const isSource = path.startsWith("src/");
    const text = readFileSync(join(root, path), "utf8");
    const imported = findImports(parseSource(path, text)).flatMap(({ specifier, kind }) => {
      // A module of src that loads another one later does so for a command, whose words say whether it emulates.
      const follows = kind === "static" || (kind === "dynamic" && (!isSource || emulators.includes(specifier)));
      return follows ? [resolveModule(specifier, path, aliases)] : [];
    });
    const leadsTo = [...imported, ...(isSource ? [] : namedIn(text, root, path))];
    graph.set(path, {
      leadsTo,
      emulates: !isSource && emulating.test(text),
      packs: !isSource && packing.test(text),
      readsPages: readingPages.test(text),
    });
    pending.push(...leadsTo.filter((next) => /\.[cm]?[jt]s$/.test(next) && existsSync(join(root, next))));
  }
  return graph;
}

/** Gives a module's path in the checkout, and of a package its name. */
function resolveModule(specifier: string, from: string, aliases: ReadonlyMap<string, string>): string {
  if (/^\.\.?\//.test(specifier)) return posix.join(posix.dirname(from), specifier);
  return aliases.get(specifier) ?? specifier;
}

/** Gives the source file of each name that package.json has: `#cli`, `cauce/sqlite`. */
function aliasesOf(root: string): Map<string, string> {
  const file = join(root, "package.json");
  if (!existsSync(file)) return new Map();
  const { exports, imports } = JSON.parse(readFileSync(file, "utf8"));
  return new Map(
    Object.entries<{ source?: string }>({ ...exports, ...imports }).flatMap(([name, { source }]) =>
      source === undefined ? [] : [[name.replace(/^\./, "cauce"), posix.normalize(source)]],
    ),
  );
}

/** Finds the modules that a text names as URLs or as paths from the root, to start them as a thread or a process. */
function namedIn(text: string, root: string, path: string): string[] {
  const urls = [...text.matchAll(/new URL\("([^"]+\.[jt]s)", import\.meta\.url\)/g)];
  // If the text starts nothing, such a path names a text to be read.
  const starts = /"node:(child_process|worker_threads)"/.test(text);
  const paths = starts ? [...text.matchAll(/"((?:bin|scripts|test|bench)\/[\w./-]+(?<!\.test)\.[jt]s)"/g)] : [];
  return [
    ...urls.map(([, name = ""]) => resolve(root, dirname(path), name)),
    ...paths.map(([, name = ""]) => join(root, name)),
  ].flatMap((found) => (existsSync(found) ? slashed(relative(root, found)) : []));
}

/** Finds the shortest way to each module that a file leads to. */
function waysFrom(file: string, graph: Graph): Map<string, readonly string[]> {
  const ways = new Map<string, readonly string[]>([[file, [file]]]);
  for (const [path, way] of ways) {
    for (const next of graph.get(path)?.leadsTo ?? []) if (!ways.has(next)) ways.set(next, [...way, next]);
  }
  return ways;
}

function slashed(path: string): string {
  return path.split(sep).join("/");
}
