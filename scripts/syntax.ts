import { type Comment, type Node, type Program, parseSync, visitorKeys } from "oxc-parser";

/** A source file as its parser reads it. */
export interface Source {
  readonly text: string;
  readonly program: Program;
  readonly comments: readonly Comment[];
}

/** Parses TypeScript or JavaScript; the file's ending says which. Throws when the text has a syntax error. */
export function parseSource(file: string, text: string): Source {
  const { program, comments, errors } = parseSync(file, text, { preserveParens: false });
  const [error] = errors;
  if (error !== undefined) throw new Error(`${file}: ${error.message}\n${error.codeframe ?? ""}`);
  return { text, program, comments };
}

/** Calls `visit` for each node below `root` and `root` itself, in the order of the text. `parents` begins with the nearest. */
export function walk(root: Node, visit: (node: Node, parents: readonly Node[]) => void): void {
  const parents: Node[] = [];
  const enter = (node: Node) => {
    visit(node, parents);
    parents.unshift(node);
    for (const key of visitorKeys[node.type] ?? []) {
      const child: unknown = Reflect.get(node, key);
      for (const each of Array.isArray(child) ? child : [child]) if (isNode(each)) enter(each);
    }
    parents.shift();
  };
  enter(root);
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && "type" in value;
}

/** Counts the lines that hold something besides spaces and comments. */
export function countCodeLines({ text, comments }: Source): number {
  let code = "";
  let end = 0;
  for (const comment of comments) {
    code += text.slice(end, comment.start) + text.slice(comment.start, comment.end).replace(/[^\n]/g, "");
    end = comment.end;
  }
  return (code + text.slice(end)).split("\n").filter((line) => line.trim() !== "").length;
}

export function countLines(text: string): number {
  const trimmed = text.trimEnd();
  return trimmed === "" ? 0 : trimmed.split("\n").length;
}

export interface FunctionSpan {
  readonly name: string;
  /** From the first line of the function to its last, comments and blank lines included. */
  readonly lines: number;
  /** The line on which it begins; the file's first line is 1. */
  readonly line: number;
}

/** Finds every function with a body: declarations, expressions, arrows and methods, each as a whole. */
export function findFunctions({ text, program }: Source): FunctionSpan[] {
  const found: FunctionSpan[] = [];
  walk(program, (node, parents) => {
    if (!isFunction(node)) return;
    const lines = text.slice(node.start, node.end).split("\n").length;
    found.push({ name: nameFunction(node, parents), lines, line: text.slice(0, node.start).split("\n").length });
  });
  return found;
}

function isFunction({ type }: Node): boolean {
  return type === "FunctionDeclaration" || type === "FunctionExpression" || type === "ArrowFunctionExpression";
}

function nameFunction(node: Node, parents: readonly Node[]): string {
  if ("id" in node && node.id?.type === "Identifier") return node.id.name;
  const index = parents.findIndex(({ type }) => !type.startsWith("TS"));
  const parent = parents[index];
  switch (parent?.type) {
    case "VariableDeclarator":
      return nameOf(parent.id) ?? "anonymous";
    case "Property":
    case "MethodDefinition":
    case "PropertyDefinition":
      return nameOf(parent.key) ?? "anonymous";
    case "AssignmentExpression":
      return nameOf(parent.left) ?? "anonymous";
    case "ExportDefaultDeclaration":
      return "default";
    case "CallExpression":
    case "NewExpression":
      return `callback of ${nameOf(parent.callee) ?? "a call"}`;
    case "ArrowFunctionExpression":
      return `returned by ${nameFunction(parent, parents.slice(index + 1))}`;
    case "ReturnStatement": {
      const outer = parents.findIndex(isFunction);
      const returning = parents[outer];
      return returning === undefined ? "anonymous" : `returned by ${nameFunction(returning, parents.slice(outer + 1))}`;
    }
    default:
      return "anonymous";
  }
}

/** Gives what an identifier, a property or a literal is called. */
export function nameOf(node: Node): string | undefined {
  if (node.type === "Identifier" || node.type === "PrivateIdentifier") return node.name;
  if (node.type === "Literal") return String(node.value);
  if (node.type === "MemberExpression") return nameOf(node.property);
  return undefined;
}

export interface Import {
  readonly specifier: string;
  /** `type` is gone at run time; `dynamic` is loaded later; `resolved` is only looked up, as `import.meta.resolve` does. */
  readonly kind: "static" | "type" | "dynamic" | "resolved";
}

/**
 * Finds static, side-effect, type, dynamic and re-exporting imports, `import("…")` as a type, `require` and
 * `import.meta.resolve`. Leaves out those whose specifier is no string literal.
 */
export function findImports({ program }: Source): Import[] {
  const found: Import[] = [];
  walk(program, (node) => {
    const { source, kind } = importOf(node) ?? {};
    if (kind !== undefined && source?.type === "Literal" && typeof source.value === "string") {
      found.push({ specifier: source.value, kind });
    }
  });
  return found;
}

function importOf(node: Node): { source: Node | null | undefined; kind: Import["kind"] } | undefined {
  switch (node.type) {
    case "ImportDeclaration":
      return { source: node.source, kind: node.importKind === "type" ? "type" : "static" };
    case "ExportNamedDeclaration":
    case "ExportAllDeclaration":
      return { source: node.source, kind: node.exportKind === "type" ? "type" : "static" };
    case "ImportExpression":
      return { source: node.source, kind: "dynamic" };
    case "TSImportType":
      return { source: node.source, kind: "type" };
    case "TSExternalModuleReference":
      return { source: node.expression, kind: "static" };
    case "CallExpression": {
      if (node.callee.type === "Identifier" && node.callee.name === "require") {
        return { source: node.arguments[0], kind: "static" };
      }
      return resolves(node.callee) ? { source: node.arguments[0], kind: "resolved" } : undefined;
    }
    default:
      return undefined;
  }
}

/** Tells whether a callee is `require.resolve` or `import.meta.resolve`. */
function resolves(callee: Node): boolean {
  if (callee.type !== "MemberExpression" || nameOf(callee.property) !== "resolve") return false;
  return callee.object.type === "MetaProperty" || nameOf(callee.object) === "require";
}
