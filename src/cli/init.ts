import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join, relative, resolve } from "node:path";
import { CauceError } from "../core/errors.ts";
import { directoryUnusable, usableDirectory } from "./usableDirectory.ts";
import { description } from "./version.ts";

export type Language = "typescript" | "javascript";

// Like the package's description, the folder lies two floors up from here, in the sources and in `dist` alike.
const templates = new URL("../../templates/", import.meta.url);

const files = [
  { name: "orders.workflow.ts", says: "the statuses, and what an order holds" },
  { name: "orders.app.ts", says: "a handler for each status that needs one" },
  { name: "orders.test.ts", says: "what npm test runs" },
  { name: "README.md", says: "how to go on" },
  { name: "exec.cmd", says: "lets npm start run on Windows as it does elsewhere" },
  { name: ".gitignore", says: "leaves out what is installed, and the orders" },
];
const settings = { name: "tsconfig.json", says: "for the editor and npm run typecheck" };

/**
 * Writes a small workflow of its own into a directory, which is made if it is missing, and says what to do next.
 * Throws `directory_not_empty`, having written nothing, where the directory holds anything but `.git`, and
 * `directory_unusable` where it cannot be made, read or written.
 */
export function init(path: string, language: Language): string {
  const directory = resolve(path);
  const typescript = language === "typescript";
  const written = [...files, ...(typescript ? [settings] : [])].map(({ name, says }) => ({
    name: typescript ? name : inJavaScript(name),
    says,
    text: textOf(name, language),
  }));
  written.push({ name: "package.json", says: "scripts and dependencies", text: packageOf(directory, language) });

  try {
    usableDirectory(path);
    refuseFull(path, directory);
    // Never over a file, even one that came into being just now.
    for (const { name, text } of written) writeFileSync(join(directory, name), text, { flag: "wx" });
  } catch (error) {
    throw error instanceof CauceError ? error : directoryUnusable(path, error);
  }

  const width = Math.max(...written.map(({ name }) => name.length)) + 3;
  const below = relative(process.cwd(), directory);
  const there = below.startsWith("..") ? directory : below;
  return [
    `Wrote a workflow into ${directory}:`,
    "",
    ...written.map(({ name, says }) => `  ${name.padEnd(width)}${says}`),
    "",
    "Go on with:",
    ...(there === "" ? [] : [`  cd ${/\s/.test(there) ? JSON.stringify(there) : there}`]),
    "  npm install",
    "  npm test",
    "  npm start",
    "",
  ].join("\n");
}

function refuseFull(path: string, directory: string): void {
  // Whoever ran `git init` first has lost nothing by it.
  const [found] = readdirSync(directory).filter((name) => name !== ".git");
  if (found === undefined) return;
  throw new CauceError(
    "directory_not_empty",
    `${path} is not empty (it holds ${JSON.stringify(found)}); nothing was written: give an empty directory, or one that does not exist yet`,
  );
}

function textOf(name: string, language: Language): string {
  // npm leaves a .gitignore out of a package, and keeps to what it says.
  const text = readFileSync(new URL(name.replace(/^\./, ""), templates), "utf8");
  return language === "typescript" ? text : inJavaScript(text);
}

/** The templates hold no types of their own, so that JavaScript differs from TypeScript by the names of files alone. */
function inJavaScript(text: string): string {
  return text.replace(/^npm run typecheck .*\n/m, "").replace(/\b(orders\.\w+)\.ts\b/g, "$1.js");
}

function packageOf(directory: string, language: Language): string {
  const { version, peerDependencies, devDependencies } = description();
  const app = language === "typescript" ? "orders.app.ts" : "orders.app.js";
  const content = {
    name: packageName(basename(directory)),
    version: "0.0.0",
    private: true,
    type: "module",
    engines: { node: ">=24" },
    scripts: {
      // Without exec, a shell would stand between npm and the server, and keep npm's signals to itself.
      start: `exec cauce start ${app}`,
      test: "node --test",
      ...(language === "typescript" ? { typecheck: "tsc" } : {}),
    },
    dependencies: { cauce: version, zod: peerDependencies.zod },
    // Those that Cauce itself is checked with.
    ...(language === "typescript"
      ? { devDependencies: { "@types/node": devDependencies["@types/node"], typescript: devDependencies.typescript } }
      : {}),
  };
  return `${JSON.stringify(content, null, 2)}\n`;
}

/** What npm takes as a name: lower case, and none of a package that it depends on. */
function packageName(directoryName: string): string {
  const name = directoryName
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 100);
  return ["", "cauce", "zod", "typescript", "node-modules"].includes(name) ? "orders" : name;
}
