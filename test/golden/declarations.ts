import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

/**
 * The public types of one entry of the package, from what `tsc` declares: what the entry exports, and every declaration
 * that these are made of, each once and by its name. Files that are moved or joined change nothing, nor do comments.
 *
 * It reads `tsc`'s text, since TypeScript 7 has no API to ask: a statement begins with its word in the first column.
 */
export function publicDeclarations(entry: string): string {
  const modules = new Map<string, Module>();
  const moduleOf = (file: string): Module => {
    const known = modules.get(file) ?? readModule(file);
    modules.set(file, known);
    return known;
  };

  /** Where a name of a module is declared, through all that passes it on. */
  const find = (file: string, exported: string): Declared => {
    const passed = moduleOf(file).exports.get(exported);
    if (passed === undefined) throw new Error(`${file} exports no ${exported}`);
    if (passed.from !== undefined) return find(passed.from, passed.name);
    return resolve(file, passed.name);
  };
  const resolve = (file: string, name: string): Declared => {
    const imported = moduleOf(file).imports.get(name);
    if (imported === undefined) return { file, name };
    if (imported.from === undefined) throw new Error(`${file} exports ${name} of ${imported.specifier}`);
    return find(imported.from, imported.name);
  };

  const shown = new Map<string, { readonly name: string; readonly text: string }>();
  const outside = new Set<string>();
  const follow = ({ name, from, specifier }: Passed): void => {
    if (from !== undefined) reach(find(from, name));
    else outside.add(`import ${name.startsWith("* as ") ? name : `{ ${name} }`} from "${specifier}";`);
  };
  const reach = ({ file, name }: Declared): void => {
    const id = `${file} ${name}`;
    if (shown.has(id)) return;
    const { declarations, imports } = moduleOf(file);
    const declaration = declarations.get(name);
    if (declaration === undefined) throw new Error(`${file} declares no ${name}`);
    const { text, inside } = withoutImports(declaration, file);
    shown.set(id, { name, text });
    for (const each of inside) follow(each);
    for (const word of wordsOf(text)) {
      const imported = imports.get(word);
      if (declarations.has(word)) reach({ file, name: word });
      else if (imported !== undefined) follow(imported);
    }
  };

  const exported = [...moduleOf(entry).exports.keys()].sort().map((name) => ({ as: name, ...find(entry, name) }));
  for (const each of exported) reach(each);
  const public_ = new Map(exported.map(({ file, name, as }) => [`${file} ${name}`, as]));
  const renamed = exported.filter(({ name, as }) => name !== as).map(({ name, as }) => `export { ${name} as ${as} };`);
  const all = [...shown].map(([id, { name, text }]) => ({ exported: public_.get(id) === name, name, text }));
  const texts = (which: boolean) =>
    all
      .filter((each) => each.exported === which)
      .sort((x, y) => (`${x.name} ${x.text}` < `${y.name} ${y.text}` ? -1 : 1))
      .map(({ text }) => (which ? `export ${text}` : text));
  return `${[
    [...outside].sort().join("\n"),
    "// Exported:",
    ...texts(true),
    ...renamed,
    "// What these are made of:",
    ...texts(false),
  ]
    .filter((part) => part !== "")
    .join("\n\n")}\n`;
}

interface Declared {
  readonly file: string;
  readonly name: string;
}

/** A name under which another module's is known. */
interface Passed {
  readonly name: string;
  /** Its file; undefined for one of this module, or (an import) of a package. */
  readonly from: string | undefined;
  readonly specifier?: string;
}

interface Module {
  readonly declarations: ReadonlyMap<string, string>;
  readonly imports: ReadonlyMap<string, Passed>;
  readonly exports: ReadonlyMap<string, Passed>;
}

function readModule(file: string): Module {
  const declarations = new Map<string, string>();
  const imports = new Map<string, Passed>();
  const exports = new Map<string, Passed>();
  for (const statement of statementsOf(readFileSync(file, "utf8"))) {
    const listed = /^(import|export) (?:type )?\{([^}]*)\}(?: from "([^"]+)")?;$/s.exec(statement);
    if (listed !== null) {
      const [, verb, names = "", specifier] = listed;
      const from = specifier === undefined ? undefined : fileOf(specifier, file);
      for (const each of names.split(",").map((name) => name.trim().replace(/^type /, ""))) {
        if (each === "") continue;
        const [name = "", as = name] = each.split(" as ");
        (verb === "import" ? imports : exports).set(as, { name, from, ...(specifier ? { specifier } : {}) });
      }
      continue;
    }
    const star = /^export (?:type )?\* from "(\.[^"]+)";$/.exec(statement);
    if (star !== null) {
      const from = fileOf(star[1] as string, file) as string;
      for (const name of readModule(from).exports.keys()) exports.set(name, { name, from });
      continue;
    }
    const whole = /^import (?:type )?\* as (\w+) from "([^.][^"]*)";$/.exec(statement);
    if (whole !== null) {
      const [, name = "", specifier = ""] = whole;
      imports.set(name, { name: `* as ${name}`, from: undefined, specifier });
      continue;
    }
    const made =
      /^(export )?(?:declare )?((?:abstract )?(?:class|const|let|function|interface|type|enum) ([\w$]+).*)$/s.exec(
        statement,
      );
    if (made === null) throw new Error(`${file} has a statement that is not understood: ${statement}`);
    const [, isExported, text = "", name = ""] = made;
    const earlier = declarations.get(name);
    declarations.set(name, earlier === undefined ? text : `${earlier}\n${text}`);
    if (isExported !== undefined) exports.set(name, { name, from: undefined });
  }
  return { declarations, imports, exports };
}

/** Where a module is declared: `./order.ts` in `order.d.ts`; undefined for a package. */
function fileOf(specifier: string, importer: string): string | undefined {
  if (!specifier.startsWith(".")) return undefined;
  const file = join(dirname(importer), specifier).replace(/\.[jt]s$/, ".d.ts");
  if (!existsSync(file)) throw new Error(`${importer} imports ${specifier}, and ${file} is not there`);
  return file;
}

function statementsOf(text: string): string[] {
  const bare = text.replace(/^\s*\/\*\*.*?\*\/\n/gms, "");
  const statements = bare.split(/\n(?=(?:import|export|declare|interface|type|class) )/).map((each) => each.trim());
  return statements.filter((each) => each !== "" && each !== "export {};");
}

/** A declaration without `import("./order.ts").` before names, and what these are. */
function withoutImports(declaration: string, file: string): { text: string; inside: Passed[] } {
  const inside: Passed[] = [];
  const text = declaration.replace(/\bimport\("([^"]+)"\)\.(\w+)/g, (_, specifier: string, name: string) => {
    inside.push({ name, from: fileOf(specifier, file), specifier });
    return name;
  });
  return { text, inside };
}

/** What may be names of other declarations. */
function wordsOf(text: string): Set<string> {
  return new Set(text.replace(/"(?:\\.|[^"\\])*"/g, '""').match(/[A-Za-z_$][\w$]*/g));
}
