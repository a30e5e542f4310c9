import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { build } from "esbuild";

export interface TestFiles {
  readonly calm: readonly string[];
  /** The files that start an AWS emulator, each with the chain of modules that leads there. */
  readonly leftOut: readonly { readonly file: string; readonly way: readonly string[] }[];
}

const emulators = ["dynalite", "fauxqs"];
const commandFiles = ["bin/cauce.js", "src/cli/main.ts"];
/** Matches the words of a command line that emulates. The app follows as a name or a path, or an option follows. */
const emulating = /"emulate",\s*(?:\.\.\.)?(?:\w|"[^"]*\.app\.[jt]s"|"--\w)/;

/**
 * Divides the test files of a checkout by the modules that they lead to. A file starts an emulator if it leads to a
 * module that imports one. It also does if it leads to this checkout's command and to a module with the words
 * `emulate APP`.
 */
export async function findTestFiles(root: string): Promise<TestFiles> {
  const files = globSync("test/**/*.test.ts", { cwd: root }).map(slashed).sort();
  const graph = await graphOf(root, files);
  const [calm, leftOut] = [[] as string[], [] as TestFiles["leftOut"][number][]];
  for (const file of files) {
    const ways = waysFrom(file, graph);
    const emulator = emulators.find((name) => ways.has(name));
    const runs = commandFiles.some((each) => ways.has(each));
    const words = runs ? [...ways.keys()].find((each) => graph.get(each)?.emulates) : undefined;
    const end = emulator ?? words;
    if (end === undefined) calm.push(file);
    else leftOut.push({ file, way: [...(ways.get(end) ?? []), ...(emulator === undefined ? ["cauce emulate"] : [])] });
  }
  return { calm, leftOut };
}

interface Module {
  readonly leadsTo: readonly string[];
  /** Whether the module has the words of a command line that emulates. */
  readonly emulates: boolean;
}

/**
 * Finds what each module leads to: its imports. The rest of src counts only if the module runs a command that loads it.
 */
async function graphOf(root: string, files: readonly string[]): Promise<Map<string, Module>> {
  const graph = new Map<string, Module>();
  for (let entries = [...files]; entries.length > 0; ) {
    const { metafile } = await build({
      ...{
        absWorkingDir: root,
        entryPoints: entries,
        outdir: "none",
        write: false,
        metafile: true,
        logLevel: "silent",
      },
      ...{ bundle: true, platform: "node", format: "esm", conditions: ["source"], plugins: [packagesApart] },
    });
    const named = new Set<string>();
    for (const [path, { imports }] of Object.entries(metafile.inputs)) {
      const isSource = path.startsWith("src/");
      const text = readFileSync(join(root, path), "utf8");
      const names = isSource ? [] : namedIn(text, root, path);
      for (const name of names) if (name.endsWith(".ts")) named.add(name);
      const follows = (kind: string, to: string) => !isSource || kind !== "dynamic-import" || emulators.includes(to);
      const imported = imports.filter((each) => follows(each.kind, each.path)).map((each) => each.path);
      graph.set(path, { leadsTo: [...imported, ...names], emulates: !isSource && emulating.test(text) });
    }
    entries = [...named].filter((name) => !graph.has(name));
  }
  return graph;
}

/** Resolves the package's own names to its sources, and leaves other packages' names as they are. */
const packagesApart = {
  name: "packages apart",
  setup({ onResolve }: Parameters<NonNullable<Parameters<typeof build>[0]["plugins"]>[number]["setup"]>[0]) {
    onResolve({ filter: /^[^.#/]/ }, ({ path, kind }) =>
      kind === "entry-point" || /^cauce(\/|$)/.test(path) ? undefined : { path, external: true },
    );
  },
};

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
function waysFrom(file: string, graph: ReadonlyMap<string, Module>): Map<string, readonly string[]> {
  const ways = new Map<string, readonly string[]>([[file, [file]]]);
  for (const [path, way] of ways) {
    for (const next of graph.get(path)?.leadsTo ?? []) if (!ways.has(next)) ways.set(next, [...way, next]);
  }
  return ways;
}

function slashed(path: string): string {
  return path.split(sep).join("/");
}
