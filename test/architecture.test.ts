import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join, posix, relative, sep } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import type { Node } from "oxc-parser";
import {
  countLines,
  findFunctions,
  findImports,
  nameOf,
  parseSource,
  type Source as Syntax,
  walk,
} from "../scripts/syntax.ts";

// The floors of the house, and what may be done on which floor. `oxc-parser` reads the sources.

/** A file imports from its own floor and from lower floors. A name is a folder of src, or a file right in src. */
const floors: Readonly<Record<string, number>> = {
  core: 0,
  backend: 1,
  engine: 2,
  api: 3,
  http: 4,
  client: 4,
  capacity: 4,
  dashboard: 5,
  testing: 5,
  "cauce.ts": 6,
  "index.ts": 6,
  node: 6,
  lambda: 6,
  deploy: 6,
  emulate: 6,
  cli: 7,
};
const corePackages = ["zod"];
/** The folders that may read the environment and listen to the process. */
const processFolders = ["node"];
const fileLinesMax = 400;
const functionLinesMax = 100;

/** Each exception with its reason. An exception that is no longer needed fails the test. */
interface Exceptions {
  readonly longFiles?: Readonly<Record<string, string>>;
  /** By `file › function`. */
  readonly longFunctions?: Readonly<Record<string, string>>;
  readonly processReaders?: Readonly<Record<string, string>>;
  /** Names of types that two files export, each type its own. */
  readonly twinTypes?: Readonly<Record<string, string>>;
}

const exceptions = {
  longFiles: {},
  longFunctions: {},
  processReaders: {},
  twinTypes: {
    Cauce: "both names are public: the library of cauce, and the construct of cauce/cdk",
  },
} as const satisfies Exceptions;

/** Where a name of package.json leads: `#cli`, `cauce/sqlite`. */
type Aliases = Readonly<Record<string, string>>;
/** The text of each file, by its path in src. */
type Sources = Readonly<Record<string, string>>;

interface File {
  readonly path: string;
  readonly floor: number | undefined;
  readonly text: string;
  readonly syntax: Syntax;
  readonly imports: readonly string[];
  /** The files of src that it imports. */
  readonly inside: readonly string[];
}

/** Gives everything that is against the rules, one line each. */
function problemsOf(sources: Sources, aliases: Aliases = {}, allowed: Exceptions = {}): string[] {
  const files = Object.entries(sources).map(([path, text]): File => {
    const syntax = parseSource(path, text);
    const imports = findImports(syntax).map(({ specifier }) => specifier);
    const inside = imports.flatMap((specifier) => resolve(specifier, path, aliases) ?? []);
    return { path, floor: floorOf(path), text, syntax, imports, inside };
  });
  const graph = new Map(files.map(({ path, inside }) => [path, inside]));
  return [
    ...files.flatMap((file) => [...upwards(file), ...packagesOfCore(file, aliases)]),
    ...excepted(longFilesOf(files), allowed.longFiles),
    ...excepted(longFunctionsOf(files), allowed.longFunctions),
    ...excepted(processReadersOf(files), allowed.processReaders),
    ...excepted(twinTypesOf(files), allowed.twinTypes),
    ...cyclesOf(graph).map((cycle) => `a cycle: ${cycle.join(" → ")}`),
  ];
}

/** Leaves out the problems that have an exception, and adds the exceptions that have no problem. */
function excepted(problems: ReadonlyMap<string, string>, allowed: Readonly<Record<string, string>> = {}): string[] {
  return [
    ...[...problems].filter(([key]) => !Object.hasOwn(allowed, key)).map(([, problem]) => problem),
    ...Object.keys(allowed)
      .filter((key) => !problems.has(key))
      .map((key) => `${key} needs no exception: drop it`),
  ];
}

function* upwards({ path, floor, inside }: File): Generator<string> {
  if (floor === undefined) yield `${path} stands on no floor; name its folder in this test`;
  for (const target of inside) {
    const above = floorOf(target);
    if (above === undefined) yield `${path} imports ${target}, which stands on no floor`;
    else if (floor !== undefined && above > floor) {
      yield `${path} (floor ${floor}) imports ${target} (floor ${above})`;
    }
  }
}

function packagesOfCore({ path, floor, imports }: File, aliases: Aliases): string[] {
  if (floor !== 0) return [];
  return imports
    .filter((specifier) => resolve(specifier, path, aliases) === undefined && !corePackages.includes(specifier))
    .map((specifier) => `${path} imports ${specifier}; core imports ${corePackages} alone`);
}

function longFilesOf(files: readonly File[]): Map<string, string> {
  const counted = files.map(({ path, text }) => ({ path, lines: countLines(text) }));
  const long = counted.filter(({ lines }) => lines > fileLinesMax);
  return new Map(long.map(({ path, lines }) => [path, `${path} has ${lines} lines; should it be two files?`]));
}

function longFunctionsOf(files: readonly File[]): Map<string, string> {
  const counted = files.flatMap(({ path, syntax }) =>
    findFunctions(syntax).map(({ name, lines }) => ({ key: `${path} › ${name}`, lines })),
  );
  const long = counted.filter(({ lines }) => lines > functionLinesMax);
  return new Map(long.map(({ key, lines }) => [key, `${key} has ${lines} lines; should it be two functions?`]));
}

function processReadersOf(files: readonly File[]): Map<string, string> {
  const reading = files.filter(
    ({ path, syntax, imports }) =>
      !processFolders.some((folder) => path.startsWith(`${folder}/`)) && touchesProcess(syntax, imports),
  );
  const only = `only ${processFolders.map((folder) => `${folder}/`).join(" and ")} may`;
  return new Map(reading.map(({ path }) => [path, `${path} reads the environment or listens to the process; ${only}`]));
}

function twinTypesOf(files: readonly File[]): Map<string, string> {
  const definitions = new Map<string, string[]>();
  for (const { path, syntax } of files) {
    for (const name of exportedTypes(syntax)) definitions.set(name, [...(definitions.get(name) ?? []), path]);
  }
  const twins = [...definitions].filter(([, paths]) => paths.length > 1);
  return new Map(twins.map(([name, paths]) => [name, `${paths.join(" and ")} each export a type ${name}`]));
}

function floorOf(file: string): number | undefined {
  const [first = ""] = file.split("/");
  return Object.hasOwn(floors, first) ? floors[first] : undefined;
}

/** The path in src that a specifier leads to; undefined for a package. */
function resolve(specifier: string, from: string, aliases: Aliases): string | undefined {
  if (/^\.\.?(\/|$)/.test(specifier)) return posix.join(posix.dirname(from), specifier);
  return Object.hasOwn(aliases, specifier) ? aliases[specifier] : undefined;
}

/** Every way round that a walk over the imports meets, each once. */
function cyclesOf(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const cycles: string[][] = [];
  const finished = new Set<string>();
  const path: string[] = [];
  const visit = (file: string) => {
    const start = path.indexOf(file);
    if (start >= 0) return void cycles.push([...path.slice(start), file]);
    if (finished.has(file)) return;
    path.push(file);
    for (const next of graph.get(file) ?? []) visit(next);
    path.pop();
    finished.add(file);
  };
  for (const file of graph.keys()) visit(file);
  return cycles;
}

const processMembers = /^(?:env|loadEnvFile|on|once|(?:add|prepend|prependOnce)Listener)$/;

/** Tells whether a file reads the environment, listens to the process, or gives the process another name. */
function touchesProcess({ program }: Syntax, imports: readonly string[]): boolean {
  let touches = imports.some((specifier) => /^(node:)?process$/.test(specifier));
  walk(program, (node) => {
    if (node.type === "MemberExpression") {
      const named = node.computed ? undefined : nameOf(node.property);
      if (isProcess(node.object) && (named === undefined || processMembers.test(named))) touches = true;
    }
    if (node.type === "VariableDeclarator" && isProcess(node.init)) touches = true;
    if ((node.type === "AssignmentExpression" || node.type === "AssignmentPattern") && isProcess(node.right)) {
      touches = true;
    }
  });
  return touches;
}

/** Tells whether a node is `process` or `globalThis.process`, with or without a cast. */
function isProcess(node: Node | null): boolean {
  if (node === null) return false;
  if ("expression" in node && typeof node.expression === "object") return isProcess(node.expression);
  if (node.type === "MemberExpression")
    return nameOf(node.object) === "globalThis" && nameOf(node.property) === "process";
  return node.type === "Identifier" && node.name === "process";
}

/** Gives the names of the interfaces, types and classes that a file defines and exports itself. */
function exportedTypes({ program }: Syntax): string[] {
  const isType = ({ type }: Node) =>
    type === "TSInterfaceDeclaration" || type === "TSTypeAliasDeclaration" || type === "ClassDeclaration";
  const defined = (node: Node) => (isType(node) && "id" in node && node.id != null ? (nameOf(node.id) ?? []) : []);
  const own = new Set(program.body.flatMap(defined));
  const exported = program.body.flatMap((node) => {
    if (node.type === "ExportDefaultDeclaration") return defined(node.declaration);
    if (node.type !== "ExportNamedDeclaration") return [];
    if (node.declaration !== null) return defined(node.declaration);
    const names = node.specifiers.filter(({ local }) => node.source === null && own.has(nameOf(local) ?? ""));
    return names.flatMap((specifier) => nameOf(specifier.exported) ?? []);
  });
  return [...new Set(exported)];
}

const root = fileURLToPath(new URL("..", import.meta.url));

function readSources(): Sources {
  const files = readdirSync(join(root, "src"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => join(entry.parentPath, entry.name));
  const name = (file: string) => relative(join(root, "src"), file).split(sep).join("/");
  return Object.fromEntries(files.map((file) => [name(file), readFileSync(file, "utf8")]));
}

function readAliases(): Aliases {
  const { exports, imports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const targets: [string, { source?: string }][] = [
    ...Object.entries<object>(exports),
    ...Object.entries<object>(imports),
  ];
  return Object.fromEntries(
    targets.flatMap(([name, { source }]) =>
      source === undefined ? [] : [[name.replace(/^\./, "cauce"), source.replace("./src/", "")]],
    ),
  );
}

describe("the sources", () => {
  const sources = readSources();
  const aliases = readAliases();

  it("every file imports from its own floor or below, without a cycle, and keeps the other rules", () => {
    assert.deepEqual(problemsOf(sources, aliases, exceptions), []);
  });

  it("all files are found, with their imports", () => {
    const imports = Object.entries(sources).flatMap(([file, text]) =>
      findImports(parseSource(file, text)).map(({ specifier }) => resolve(specifier, file, aliases)),
    );
    assert.ok(Object.keys(sources).length > 20);
    assert.ok(imports.length > 40);
    for (const target of imports) assert.ok(target === undefined || sources[target] !== undefined, `${target} is read`);
    assert.equal(aliases["cauce/testing"], "testing/index.ts");
    assert.equal(aliases["#cli"], "cli/main.ts");
  });
});

describe("the check of the sources", () => {
  const finds = (sources: Sources, ...patterns: RegExp[]) => {
    const problems = problemsOf(sources, { "#engine": "engine/a.ts", "cauce/http": "http/a.ts" });
    assert.equal(problems.length, patterns.length, problems.join("\n"));
    for (const [index, pattern] of patterns.entries()) assert.match(problems[index] ?? "", pattern);
  };

  it("the check takes imports from the same floor and below", () => {
    finds({
      "core/a.ts": 'import { z } from "zod";',
      "core/b.ts": 'import { a } from "./a.ts";',
      "backend/sqlite/index.ts": 'import { a } from "../../core/a.ts"; import "node:sqlite"; import "../port.ts";',
      "backend/port.ts": 'import type { a } from "../core/b.ts";',
      "http/a.ts": 'import { b } from "../engine/b.ts"; import { c } from "../client/c.ts";',
      "cauce.ts": 'import { a } from "./http/a.ts"; export { run } from "./node/server.ts";',
      "cli/main.ts": 'import { a } from "../cauce.ts"; await import(path); await import("../node/server.ts");',
    });
  });

  const upwards: readonly (readonly [what: string, text: string])[] = [
    ["a static import", 'import { a } from "../engine/a.ts";'],
    ["a default and a namespace import", 'import a, * as b from "../engine/a.ts";'],
    ["an import over lines", 'import {\n  a, // why\n  b,\n} from\n  "../engine/a.ts";'],
    ["a type import", 'import type { A } from "../engine/a.ts";'],
    ["an inline type import", 'import { type A } from "../engine/a.ts";'],
    ["a type in place", 'type A = import("../engine/a.ts").A;'],
    ["a side effect", "import '../engine/a.ts';"],
    ["a dynamic import", 'const a = await import(\n  "../engine/a.ts"\n);'],
    ["a dynamic import in a template", `const a = \`x \${\`y \${await import("../engine/a.ts")} }\`} z\`;`],
    ["a re-export", 'export { a } from "../engine/a.ts";'],
    ["a re-export of everything", 'export * from "../engine/a.ts";'],
    ["a re-export of types", 'export type { A } from "../engine/a.ts";'],
    ["an import with attributes", 'import a from "../engine/a.ts" with { type: "json" };'],
    ["an import by the package's own name", 'import { a } from "#engine";'],
    ["an import after a regular expression", 'const q = /["\'`]/; import { a } from "../engine/a.ts";'],
    ["an import after a division", 'const q = a / b; const s = "/"; import { a } from "../engine/a.ts";'],
    ["an import after a comment with a quote", '// don\'t\n/* ` */ import { a } from "../engine/a.ts";'],
    ["an import after an escaped quote", 'const q = "\\""; const p = `\\``; import { a } from "../engine/a.ts";'],
  ];
  for (const [what, text] of upwards) {
    it(`the check finds ${what} from a floor above`, () => {
      finds(
        { "backend/b.ts": text, "engine/a.ts": "" },
        /^backend\/b\.ts \(floor 1\) imports engine\/a\.ts \(floor 2\)$/,
      );
    });
  }

  const noImports: readonly (readonly [what: string, text: string])[] = [
    ["in a comment", '// import { a } from "../engine/a.ts";\n/* import "../engine/a.ts"; */'],
    ["in a string", "const a = 'import { a } from \"../engine/a.ts\"';"],
    ["in a template", `const a = \`import { a } from "../engine/a.ts"; \${1} import("../engine/a.ts")\`;`],
    ["in a regular expression", 'const a = [/import "..\\/engine\\/a.ts"/];'],
    ["as an argument", 'Array.from("../engine/a.ts");'],
  ];
  for (const [what, text] of noImports) {
    it(`the check takes no import from text ${what}`, () => finds({ "backend/b.ts": text }));
  }

  it("the check finds the floors of files right in src", () => {
    finds(
      { "testing/t.ts": 'import "../cauce.ts";', "cauce.ts": 'import "./cli/main.ts";', "cli/main.ts": "" },
      /testing\/t\.ts \(floor 5\) imports cauce\.ts \(floor 6\)/,
      /cauce\.ts \(floor 6\) imports cli\/main\.ts \(floor 7\)/,
    );
  });

  it("the check finds a file on no floor, imported or not", () => {
    finds(
      { "helpers/a.ts": "", "core/a.ts": 'import "../constructor/a.ts";', "util.ts": "" },
      /helpers\/a\.ts stands on no floor/,
      /core\/a\.ts imports constructor\/a\.ts, which stands on no floor/,
      /util\.ts stands on no floor/,
    );
  });

  it("the check finds cycles of any length, type imports included", () => {
    finds({ "core/a.ts": 'import type { A } from "./a.ts";' }, /^a cycle: core\/a\.ts → core\/a\.ts$/);
    finds(
      {
        "core/a.ts": 'import { b } from "./b.ts";',
        "core/b.ts": 'export type { C } from "./c/c.ts";',
        "core/c/c.ts": 'type A = import("../a.ts").A;',
        "core/d.ts": 'import "./a.ts"; import "./b.ts";',
      },
      /^a cycle: core\/a\.ts → core\/b\.ts → core\/c\/c\.ts → core\/a\.ts$/,
    );
    finds(
      { "http/a.ts": 'import "../client/b.ts";', "client/b.ts": 'import "cauce/http";' },
      /^a cycle: http\/a\.ts → client\/b\.ts → http\/a\.ts$/,
    );
  });

  it("the check takes two ways to the same file for what they are", () => {
    finds({ "core/a.ts": 'import "./b.ts"; import "./c.ts";', "core/b.ts": 'import "./c.ts";', "core/c.ts": "" });
  });

  it("the check finds all that core imports besides zod", () => {
    finds(
      { "core/a.ts": 'import "zod"; import "hono"; import type { X } from "node:crypto"; import "zod/mini";' },
      /core\/a\.ts imports hono; core imports zod alone/,
      /imports node:crypto/,
      /imports zod\/mini/,
    );
    finds({ "backend/a.ts": 'import "hono"; import "node:fs";' });
  });

  it("the check finds a long file, and an exception that is no longer needed", () => {
    const lines = (count: number) => "let a;\n".repeat(count);
    finds({ "core/a.ts": lines(400), "core/b.ts": lines(401) }, /^core\/b\.ts has 401 lines/);
    const reasons = { longFiles: { "core/a.ts": "long", "core/b.ts": "long", "core/c.ts": "long" } };
    assert.deepEqual(problemsOf({ "core/a.ts": lines(401), "core/b.ts": "" }, {}, reasons), [
      "core/b.ts needs no exception: drop it",
      "core/c.ts needs no exception: drop it",
    ]);
  });

  it("the check finds a long function, and an exception that is no longer needed", () => {
    const long = (name: string, count: number) => `const ${name} = () => {${"\n".repeat(count - 1)}};`;
    const text = `${long("a", 100)}\n${long("b", 101)}`;
    finds({ "core/a.ts": text }, /^core\/a\.ts › b has 101 lines/);
    const reasons = { longFunctions: { "core/a.ts › a": "long", "core/a.ts › b": "long", "core/b.ts › b": "long" } };
    assert.deepEqual(problemsOf({ "core/a.ts": text, "core/b.ts": "" }, {}, reasons), [
      "core/a.ts › a needs no exception: drop it",
      "core/b.ts › b needs no exception: drop it",
    ]);
  });

  it("the check finds a type name that two files export, and an exception that is no longer needed", () => {
    const sources = {
      "core/a.ts": "export interface A { readonly b: B }\nexport type B = string;\ntype C = A;\nexport type { C };",
      "core/b.ts": "export class A {}\nexport default interface B {}\ninterface C {}\nexport { type C, type C as D };",
      "core/c.ts":
        'export type { A, B } from "./a.ts";\nimport type { C } from "./b.ts";\nexport type { C };\nclass D {}',
      "core/d.ts": "export const E = 1;\nexport type E = typeof E;\nexport function F(): void;\nexport function F() {}",
    };
    finds(
      sources,
      ...["A", "B", "C"].map((name) => new RegExp(`^core/a.ts and core/b.ts each export a type ${name}$`)),
    );
    assert.deepEqual(problemsOf(sources, {}, { twinTypes: { A: "public", B: "public", C: "public", E: "public" } }), [
      "E needs no exception: drop it",
    ]);
  });

  const touches = [
    "process.env.PORT",
    "process . env",
    "globalThis.process?.env",
    'process["env"]',
    "(process as { env: object }).env",
    "(process).env!.PORT",
    `\`\${process.env.PORT}\``,
    "const { env } = process;",
    "const { env } = globalThis.process;",
    "({ env } = process);",
    "function read({ env } = process) {}",
    "const own = process;",
    'import { env } from "node:process";',
    'import process from "process";',
    'process.on("SIGTERM", stop)',
    'process.once("exit", stop)',
    "process.loadEnvFile()",
  ];
  for (const text of touches) {
    it(`the check finds ${text} outside of the folders that may`, () => {
      const inside = processFolders.map((folder) => [`${folder}/env.ts`, text]);
      const sources = { "engine/a.ts": text, ...Object.fromEntries(inside) };
      finds(sources, /^engine\/a\.ts reads the environment or listens/);
      assert.deepEqual(problemsOf({ "cli/a.ts": text }, {}, { processReaders: { "cli/a.ts": "must" } }), []);
    });
  }

  it("the check leaves other uses of the process alone, and finds an exception that is no longer needed", () => {
    const text = '// process.env\nprocess.stderr.write("process.env"); child.process.env; worker.on("exit", stop);';
    finds({ "engine/a.ts": text });
    assert.match(problemsOf({ "cli/a.ts": text }, {}, { processReaders: { "cli/a.ts": "must" } })[0] ?? "", /drop it$/);
  });
});
