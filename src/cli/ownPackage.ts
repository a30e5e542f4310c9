import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { CauceError } from "../core/errors.ts";
import { oneLine } from "./report.ts";
import { description } from "./version.ts";

/** Cauce's own package: what a new project asks npm for, and how npm gets it. */
export interface OwnPackage {
  readonly version: string;
  /** The folder that holds its package.json. */
  readonly directory: string;
  /** The tarball that a project has to hold, since the npm registry has no such version; undefined where it has. */
  readonly file: string | undefined;
  /** Builds that tarball into an empty directory and resolves to its path. Undefined where there are no sources. */
  readonly pack: ((directory: string) => Promise<string>) | undefined;
}

/** Looks at the package that this code is a part of. */
export function ownPackage(): OwnPackage {
  // Two floors up from here, in the sources and in `dist` alike.
  const directory = resolve(fileURLToPath(new URL("../../", import.meta.url)));
  const { version, private: unpublished } = description();
  // No package ships the compiler's settings, so this is a checkout, and its sources may be of no version at all.
  const checkout = existsSync(join(directory, buildSettings));
  return {
    version,
    directory,
    // npm publishes no package that calls itself private.
    file: checkout || unpublished === true ? `cauce-${version}.tgz` : undefined,
    pack: checkout ? (target) => packCheckout(directory, target) : undefined,
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
  const compiler = compilerOf(checkout);
  try {
    const staged = join(directory, "package");
    mkdirSync(staged);
    const { files, name, version } = JSON.parse(readFileSync(join(checkout, "package.json"), "utf8")) as {
      readonly files: readonly string[];
      readonly name: string;
      readonly version: string;
    };
    for (const each of ["package.json", ...files.filter((file) => file !== "dist")]) {
      cpSync(join(checkout, each), join(staged, each), { recursive: true });
    }
    const build = [compiler, "-p", join(checkout, buildSettings), "--outDir", join(staged, "dist")];
    await run("the compiler", spawn(process.execPath, build, { cwd: checkout }));
    // In a shell, as npm is a .cmd file on Windows; nothing in the line needs quoting. The package's scripts would
    // build it once more.
    const pack = "npm pack --ignore-scripts --loglevel=error --pack-destination ..";
    await run("npm", spawn(pack, { cwd: staged, shell: true }));
    return join(directory, `${name}-${version}.tgz`);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new CauceError(
      "package_not_packed",
      `Cauce could not be packed from ${checkout}, and nothing was written: ${reason}; npm pack has to work there`,
      { cause },
    );
  }
}

function compilerOf(checkout: string): string {
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

/** Resolves once a process has ended well; rejects with what it said. */
async function run(what: string, child: ChildProcessWithoutNullStreams): Promise<void> {
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
    });
  }
  child.stdin.end();
  const ended = await new Promise<string | number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve(signal ?? code));
  });
  if (ended !== 0) throw new Error(`${what} ended with ${ended} (${oneLine(text).slice(0, reasonLengthMax)})`);
}
