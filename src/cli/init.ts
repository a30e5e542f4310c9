/** `cauce init`: writes a small workflow of its own into a directory. */
import { type ExecFileException, type ExecFileOptions, execFile } from "node:child_process";
import * as fs from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, dirname, join, relative, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { CauceError } from "../core/errors.ts";
import { messageOf } from "../core/reasons.ts";
import { description, oneLine, systemCode } from "./output.ts";

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

export interface InitOptions {
  readonly language: "typescript" | "javascript";
  /** What the project's package.json asks for. */
  readonly own: OwnPackage;
  /** The directory that a relative path starts from. Default: the working directory. */
  readonly from?: string;
  /** Called before what takes some seconds. */
  readonly onStep?: (text: string) => void;
}

/**
 * Writes the project into a directory, which is made if it is missing. Resolves to what to do next. From a checkout Cauce
 * itself is packed into the directory, so that the project does not need the checkout. If it throws, it leaves nothing.
 * @throws `directory_not_empty` for a directory that contains anything but `.git`; `directory_unusable` for one that
 * cannot be made, read or written; `package_missing` and `package_not_packed` if Cauce cannot be packed.
 */
export async function init(path: string, options: InitOptions): Promise<string> {
  const { language, own, from = process.cwd(), onStep } = options;
  const directory = resolve(from, path);
  const isTypescript = language === "typescript";
  const translate = (text: string) => (isTypescript ? text : inJavaScript(text));
  const written: Written[] = [...files, ...(isTypescript ? [settings] : [])].map(({ name, says }) => {
    return { name: translate(name), says, content: translate(readTemplate(name)) };
  });
  const content = packageJson(directory, isTypescript, own);
  written.push({ name: "package.json", says: "scripts and dependencies", content });

  // Before the seconds that packing takes.
  checkUsable(directory);
  refuseFull(path, directory);
  const { pack, file: name } = own;
  if (pack === undefined || name === undefined) write(path, directory, written);
  else {
    await inTemporaryDirectory("cauce-pack-", async (packing) => {
      onStep?.(`Packing Cauce ${own.version} from ${own.directory}, which takes some seconds …`);
      const content = pathToFileURL(await pack(packing));
      written.push({ name, says: "Cauce itself, for npm install; keep it with the code", content });
      write(path, directory, written);
    });
  }
  return describeNext(directory, written, own, from);
}

/** Says what was written, and what to do next. */
function describeNext(directory: string, written: readonly Written[], own: OwnPackage, from: string): string {
  const width = Math.max(...written.map(({ name }) => name.length)) + 3;
  const below = relative(from, directory);
  const there = below.startsWith("..") ? directory : below;
  const isFileMissing = own.pack === undefined && own.file !== undefined;
  return [
    `Wrote a workflow into ${directory}:`,
    "",
    ...written.map(({ name, says }) => `  ${name.padEnd(width)}${says}`),
    "",
    ...(isFileMissing
      ? [
          `Cauce ${own.version} is not on the npm registry, so package.json asks for ${own.file} beside it. Copy the file`,
          "from which you installed Cauce, or pack what is installed, as the command npm pack below does.",
          "",
        ]
      : []),
    "Go on with:",
    ...(there === "" ? [] : [`  cd ${quoted(there)}`]),
    // Without its scripts, which would build from sources that are not there.
    ...(isFileMissing ? [`  npm pack --ignore-scripts ${quoted(own.directory)}`] : []),
    "  npm install",
    "  npm test",
    "  npm start",
    "",
  ].join("\n");
}

function quoted(path: string): string {
  return /\s/.test(path) ? `"${path}"` : path;
}

/** A file of the project, and what it is for. */
interface Written {
  readonly name: string;
  readonly says: string;
  /** The text, or the file to copy. */
  readonly content: string | URL;
}

/** Writes all of the files or none. */
function write(path: string, directory: string, all: readonly Written[]): void {
  const done: string[] = [];
  const existed = fs.existsSync(directory);
  try {
    makeDirectory(directory);
    refuseFull(path, directory);
    attempt(path, () => {
      for (const { name, content } of all) {
        const file = join(directory, name);
        // Never over a file, even one that came into being just now.
        fs.closeSync(fs.openSync(file, "wx"));
        done.push(file);
        fs.writeFileSync(file, typeof content === "string" ? content : fs.readFileSync(content));
      }
    });
  } catch (error) {
    for (const file of done) fs.rmSync(file, { force: true });
    if (!existed && fs.existsSync(directory) && fs.readdirSync(directory).length === 0) fs.rmdirSync(directory);
    throw error;
  }
}

function refuseFull(path: string, directory: string): void {
  const names = attempt(path, () => (fs.existsSync(directory) ? fs.readdirSync(directory) : []));
  // A directory in which `git init` has run is still empty.
  const found = names.find((name) => name !== ".git");
  if (found === undefined) return;
  throw new CauceError(
    "directory_not_empty",
    `${path} is not empty (it holds ${JSON.stringify(found)}); nothing was written: give an empty directory, or one that does not exist yet`,
  );
}

function readTemplate(name: string): string {
  // npm leaves a .gitignore out of a package, and keeps to what it says.
  return fs.readFileSync(new URL(name.replace(/^\./, ""), templates), "utf8");
}

/** The templates contain no types of their own, so JavaScript differs from TypeScript in the names of files alone. */
function inJavaScript(text: string): string {
  return text.replace(/^npm run typecheck .*\n/m, "").replace(/\b(orders\.\w+)\.ts\b/g, "$1.js");
}

function packageJson(directory: string, isTypescript: boolean, own: OwnPackage): string {
  const { peerDependencies, devDependencies } = description();
  const content = {
    name: packageName(basename(directory)),
    version: "0.0.0",
    private: true,
    type: "module",
    engines: { node: ">=24" },
    scripts: {
      // Without exec, a shell would stand between npm and the server, and keep npm's signals to itself.
      start: `exec cauce start orders.app.${isTypescript ? "ts" : "js"}`,
      test: "node --test",
      typecheck: isTypescript ? "tsc" : undefined,
    },
    dependencies: { cauce: own.file === undefined ? own.version : `file:${own.file}`, zod: peerDependencies.zod },
    // The versions that Cauce itself is checked with.
    devDependencies: isTypescript
      ? { "@types/node": devDependencies["@types/node"], typescript: devDependencies.typescript }
      : undefined,
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

/** Cauce's own package: what a new project asks npm for, and how npm gets it. */
export type OwnPackage = ReturnType<typeof ownPackage>;

/** Looks at the package that this code is a part of. */
export function ownPackage() {
  // Two floors up from here, in the sources and in `dist` alike.
  const directory = resolve(fileURLToPath(new URL("../../", import.meta.url)));
  const { version, private: unpublished } = description();
  // No package ships the compiler's settings, so this is a checkout, and its sources may be of no version at all.
  const isCheckout = fs.existsSync(join(directory, buildSettings));
  return {
    version,
    /** The folder that contains the package.json. */
    directory,
    /** The tarball that a project needs. Undefined if the npm registry has it: npm publishes no private package. */
    file: isCheckout || unpublished === true ? `cauce-${version}.tgz` : undefined,
    /** Builds that tarball into an empty directory, and resolves to its path. Undefined without the sources. */
    pack: isCheckout ? (target: string) => packCheckout(directory, target) : undefined,
  };
}

const buildSettings = "tsconfig.build.json";

/**
 * Builds and packs a checkout's package in an empty directory, and resolves to the path of the tarball. The checkout
 * stays as it is: a server may be running from its `dist`, and another pack may be under way.
 * @throws `package_missing` where `npm ci` has not run in the checkout; `package_not_packed` where the compiler or npm
 * fails, or there is no npm.
 */
export async function packCheckout(checkout: string, directory: string): Promise<string> {
  const compiler = findCompiler(checkout);
  try {
    const staged = join(directory, "package");
    fs.mkdirSync(staged);
    const { files, name, version } = description(join(checkout, "package.json"));
    for (const each of ["package.json", ...files.filter((file) => file !== "dist")]) {
      fs.cpSync(join(checkout, each), join(staged, each), { recursive: true });
    }
    const build = [compiler, "-p", join(checkout, buildSettings), "--outDir", join(staged, "dist")];
    await run("the compiler", process.execPath, build, { cwd: checkout });
    // In a shell, as npm is a .cmd file on Windows; nothing in the line needs quoting. The package's scripts would
    // build it once more.
    const pack = "npm pack --ignore-scripts --loglevel=error --pack-destination ..";
    await run("npm", pack, [], { cwd: staged, shell: true });
    return join(directory, `${name}-${version}.tgz`);
  } catch (cause) {
    throw new CauceError(
      "package_not_packed",
      `Cauce could not be packed from ${checkout}, and nothing was written: ${messageOf(cause)}; npm pack has to work there`,
      { cause },
    );
  }
}

function findCompiler(checkout: string): string {
  try {
    return join(dirname(createRequire(join(checkout, "package.json")).resolve("typescript/package.json")), "bin/tsc");
  } catch (cause) {
    throw new CauceError(
      "package_missing",
      `packing Cauce needs typescript, which is not installed in ${checkout}; run npm ci there`,
      { cause },
    );
  }
}

const reasonLengthMax = 400;

/** Runs a program to its end. Rejects with what it wrote if it fails. */
async function run(what: string, file: string, args: readonly string[], options: ExecFileOptions): Promise<void> {
  const running = promisify(execFile)(file, args, { ...options, maxBuffer: Number.POSITIVE_INFINITY });
  running.child.stdin?.end();
  await running.catch(({ signal, code, stdout, stderr }: ExecFileException) => {
    const text = oneLine(`${stdout}${stderr}`).slice(0, reasonLengthMax);
    throw new Error(`${what} ended with ${signal ?? code} (${text})`);
  });
}

/** Does work that needs a directory of its own. The directory is removed after the work. */
export async function inTemporaryDirectory<T>(prefix: string, work: (directory: string) => Promise<T>): Promise<T> {
  const directory = fs.mkdtempSync(join(tmpdir(), prefix));
  try {
    return await work(directory);
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

/**
 * Makes a directory if it is missing.
 * @throws `directory_unusable`
 */
export function makeDirectory(path: string): void {
  // Node's recursive mkdir never ends where a file system answers ENOENT for what it will not make, as /proc does.
  const recursive = fs.existsSync(path) || !fs.existsSync(dirname(path));
  attempt(path, () => fs.mkdirSync(path, { recursive }));
}

/**
 * Checks whether `makeDirectory` would most likely succeed, without making anything.
 * @throws `directory_unusable`
 */
function checkUsable(path: string): void {
  let nearest = resolve(path);
  while (!fs.existsSync(nearest) && dirname(nearest) !== nearest) nearest = dirname(nearest);
  // The dot asks for a directory.
  attempt(path, () => fs.accessSync(`${nearest}/.`, fs.constants.W_OK));
}

/** Works with a directory. What the system refuses becomes `directory_unusable`. */
function attempt<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof CauceError) throw cause;
    const code = systemCode(cause);
    const what =
      code === "EEXIST" || code === "ENOTDIR"
        ? "there is a file of that name; give a directory"
        : `it cannot be made, read or written (${code}); check the path and its rights`;
    throw new CauceError("directory_unusable", `${path}: ${what}`, { cause });
  }
}
