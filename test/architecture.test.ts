import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join, posix, relative, sep } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";

// The floors, and what may be done where. Everything is read from the sources' text: TypeScript 7 has no API to ask.

/** A file imports only from its own floor or below. A folder of src, or a file right in it. */
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
const linesMax = 400;

/** Each exception with its reason; one that is no longer needed fails the test. */
const longFiles: Readonly<Record<string, string>> = {};
const processReaders: Readonly<Record<string, string>> = {};

/** Where a name that package.json gives leads: `#cli`, `cauce/sqlite`. */
type Aliases = Readonly<Record<string, string>>;
/** The text of each file, by its path in src. */
type Sources = Readonly<Record<string, string>>;

interface Exceptions {
  readonly longFiles?: Readonly<Record<string, string>>;
  readonly processReaders?: Readonly<Record<string, string>>;
}

/** Everything that is against the rules, one line each. */
function problemsOf(sources: Sources, aliases: Aliases = {}, exceptions: Exceptions = {}): string[] {
  const { longFiles = {}, processReaders = {} } = exceptions;
  const problems: string[] = [];
  const graph = new Map<string, string[]>();
  for (const [file, text] of Object.entries(sources)) {
    const { code, strings } = maskedOf(text);
    const imports = importsOf(code, strings);
    const inside = imports.flatMap((specifier) => resolve(specifier, file, aliases) ?? []);
    graph.set(file, inside);

    const floor = floorOf(file);
    if (floor === undefined) problems.push(`${file} stands on no floor; name its folder in this test`);
    for (const target of inside) {
      const above = floorOf(target);
      if (above === undefined) problems.push(`${file} imports ${target}, which stands on no floor`);
      else if (floor !== undefined && above > floor) {
        problems.push(`${file} (floor ${floor}) imports ${target} (floor ${above})`);
      }
    }
    if (floor === 0) {
      const packages = imports.filter((specifier) => resolve(specifier, file, aliases) === undefined);
      for (const name of packages) {
        if (!corePackages.includes(name)) problems.push(`${file} imports ${name}; core imports ${corePackages} alone`);
      }
    }

    const lines = text.trimEnd().split("\n").length;
    if (lines > linesMax && longFiles[file] === undefined)
      problems.push(`${file} has ${lines} lines; should it be two?`);
    if (lines <= linesMax && longFiles[file] !== undefined)
      problems.push(`${file} is no longer long: drop its exception`);

    const reads = touchesProcess(code, imports);
    const allowed = file.startsWith("node/");
    if (reads && !allowed && processReaders[file] === undefined) {
      problems.push(`${file} reads the environment or listens to the process; only node/ may`);
    }
    if (!reads && processReaders[file] !== undefined)
      problems.push(`${file} leaves the process alone: drop its exception`);
  }
  for (const file of [...Object.keys(longFiles), ...Object.keys(processReaders)]) {
    if (sources[file] === undefined) problems.push(`${file} has an exception and does not exist`);
  }
  for (const cycle of cyclesOf(graph)) problems.push(`a cycle: ${cycle.join(" → ")}`);
  return problems;
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

/** Static, side-effect, type, dynamic and re-exporting imports, and `import("…")` as a type. */
function importsOf(code: string, strings: readonly string[]): string[] {
  // `from` before a string, or `import` before one, occurs in nothing else once strings and comments are masked.
  const found = code.matchAll(/(?:\bfrom|\bimport|\b(?:import|require|import\.meta\.resolve)\s*\()\s*"(\d+)"/g);
  return [...found].map(([, index]) => strings[Number(index)] ?? "");
}

function touchesProcess(code: string, imports: readonly string[]): boolean {
  const members = "env|on|once|addListener|prependListener|prependOnceListener|loadEnvFile";
  return (
    new RegExp(`\\bprocess\\s*(?:\\?\\.|\\.)\\s*(?:${members})\\b`).test(code) ||
    /\bprocess\s*(?:\?\.)?\s*\[/.test(code) ||
    /\}\s*=\s*(?:globalThis\s*\.\s*)?process\b(?!\s*\.)/.test(code) ||
    imports.some((specifier) => /^(node:)?process$/.test(specifier))
  );
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

/** The code with its comments and regular expressions gone and each string as `"index"`, so that patterns meet code alone. */
function maskedOf(source: string): { code: string; strings: string[] } {
  const token =
    /(?<comment>\/\/[^\n]*|\/\*[\s\S]*?\*\/)|(?<string>"(?:\\[\s\S]|[^"\\\n])*"|'(?:\\[\s\S]|[^'\\\n])*')|(?<slash>\/)|(?<mark>[`{}])|(?<word>[\w$#]+)|(?<space>\s+)|(?<other>[\s\S])/y;
  const regularExpression = /\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+\/[a-z]*/y;
  const templateText = /(?:\\[\s\S]|\$(?!\{)|[^`\\$])*/y;
  const strings: string[] = [];
  /** The braces that are open: those of a template's `${…}` lead back into its text. */
  const braces: ("code" | "template")[] = [];
  let code = "";
  let last = "";
  let at = 0;
  const keep = (text: string) => {
    code += text;
    last = text;
  };
  const template = () => {
    templateText.lastIndex = at;
    at += templateText.exec(source)?.[0].length ?? 0;
    if (source[at] === "$") {
      at += 2;
      braces.push("template");
      keep(" (");
    } else {
      at += 1;
      keep(' ""');
    }
  };
  while (at < source.length) {
    token.lastIndex = at;
    const groups = token.exec(source)?.groups ?? {};
    const text = Object.values(groups).find((value) => value !== undefined) ?? "";
    if (groups.slash !== undefined) {
      regularExpression.lastIndex = at;
      // After a value a slash divides; after anything else it opens a regular expression.
      const divides =
        /[\w$)\]}"]$/.test(last) && !/^(return|typeof|case|in|of|void|throw|await|yield|else|do)$/.test(last);
      const expression = divides ? null : regularExpression.exec(source);
      at += expression?.[0].length ?? 1;
      keep(expression === null ? "/" : ' ""');
      continue;
    }
    at += text.length;
    if (groups.comment !== undefined || groups.space !== undefined) code += " ";
    else if (groups.string !== undefined) keep(`"${strings.push(text.slice(1, -1)) - 1}"`);
    else if (text === "`") template();
    else if (text === "}" && braces.pop() === "template") {
      keep(")");
      template();
    } else {
      if (text === "{") braces.push("code");
      keep(text);
    }
  }
  return { code, strings };
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

  it("import from their own floor or below, without a cycle, and keep the other rules", () => {
    assert.deepEqual(problemsOf(sources, aliases, { longFiles, processReaders }), []);
  });

  it("were found, with their imports", () => {
    const imports = Object.entries(sources).flatMap(([file, text]) => {
      const { code, strings } = maskedOf(text);
      return importsOf(code, strings).map((specifier) => resolve(specifier, file, aliases));
    });
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

  it("takes imports from the same floor and below", () => {
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
    it(`finds ${what} from a floor above`, () => {
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
    it(`takes no import from text ${what}`, () => finds({ "backend/b.ts": text }));
  }

  it("finds the floors of files right in src", () => {
    finds(
      { "testing/t.ts": 'import "../cauce.ts";', "cauce.ts": 'import "./cli/main.ts";', "cli/main.ts": "" },
      /testing\/t\.ts \(floor 5\) imports cauce\.ts \(floor 6\)/,
      /cauce\.ts \(floor 6\) imports cli\/main\.ts \(floor 7\)/,
    );
  });

  it("finds a file on no floor, imported or not", () => {
    finds(
      { "helpers/a.ts": "", "core/a.ts": 'import "../constructor/a.ts";', "util.ts": "" },
      /helpers\/a\.ts stands on no floor/,
      /core\/a\.ts imports constructor\/a\.ts, which stands on no floor/,
      /util\.ts stands on no floor/,
    );
  });

  it("finds cycles of any length, type imports included", () => {
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

  it("takes two ways to the same file for what they are", () => {
    finds({ "core/a.ts": 'import "./b.ts"; import "./c.ts";', "core/b.ts": 'import "./c.ts";', "core/c.ts": "" });
  });

  it("finds whatever core imports besides zod", () => {
    finds(
      { "core/a.ts": 'import "zod"; import "hono"; import type { X } from "node:crypto"; import "zod/mini";' },
      /core\/a\.ts imports hono; core imports zod alone/,
      /imports node:crypto/,
      /imports zod\/mini/,
    );
    finds({ "backend/a.ts": 'import "hono"; import "node:fs";' });
  });

  it("finds a long file, and an exception that is no longer needed", () => {
    const lines = (count: number) => "let a;\n".repeat(count);
    finds({ "core/a.ts": lines(400), "core/b.ts": lines(401) }, /core\/b\.ts has 401 lines/);
    const reasons = { longFiles: { "core/a.ts": "long", "core/b.ts": "long", "core/c.ts": "long" } };
    assert.deepEqual(problemsOf({ "core/a.ts": lines(401), "core/b.ts": "" }, {}, reasons), [
      "core/b.ts is no longer long: drop its exception",
      "core/c.ts has an exception and does not exist",
    ]);
  });

  const touches = [
    "process.env.PORT",
    "process . env",
    "globalThis.process?.env",
    'process["env"]',
    `\`\${process.env.PORT}\``,
    "const { env } = process;",
    "const { env } = globalThis.process;",
    'import { env } from "node:process";',
    'import process from "process";',
    'process.on("SIGTERM", stop)',
    'process.once("exit", stop)',
    "process.loadEnvFile()",
  ];
  for (const text of touches) {
    it(`finds ${text} outside of node`, () => {
      finds({ "engine/a.ts": text, "node/env.ts": text }, /^engine\/a\.ts reads the environment or listens/);
      assert.deepEqual(problemsOf({ "cli/a.ts": text }, {}, { processReaders: { "cli/a.ts": "must" } }), []);
    });
  }

  it("leaves other uses of the process alone, and finds an exception that is no longer needed", () => {
    const text = '// process.env\nprocess.stderr.write("process.env"); child.process.exit; worker.on("exit", stop);';
    finds({ "engine/a.ts": text });
    assert.match(problemsOf({ "cli/a.ts": text }, {}, { processReaders: { "cli/a.ts": "must" } })[0] ?? "", /drop its/);
  });
});
