import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { compiler } from "./package/compiler.ts";

// A line that test/types/*.types.ts marks with @ts-expect-error must not compile, and every other line must. These
// tests run the real compiler over the files, and prove that it would notice.

const testDirectory = dirname(fileURLToPath(import.meta.url));
const typesDirectory = join(testDirectory, "types");
const directive = /^(\s*)\/\/ @ts-expect-error\b/;

interface Compiled {
  readonly exitCode: number;
  /** The compiler's errors, each as `file(line,column): error TSnnnn: …`. */
  readonly errors: readonly string[];
}

function compile(tsconfig: string): Promise<Compiled> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [compiler, "--noEmit", "--pretty", "false", "-p", tsconfig], (error, stdout, stderr) => {
      if (error !== null && typeof error.code !== "number") return reject(error);
      if (stderr !== "") return reject(new Error(`tsc wrote to standard error: ${stderr}`));
      const errors = stdout.split("\n").filter((line) => /\berror TS\d+/.test(line));
      resolve({ exitCode: Number(error?.code ?? 0), errors });
    });
  });
}

describe("the types", () => {
  // The folder is as deep as test/types, so that the copies' imports hold, and hidden from other runs of the compiler.
  let directory: string;
  let names: string[];

  before(async () => {
    directory = await mkdtemp(join(testDirectory, ".types-"));
    names = (await readdir(typesDirectory)).filter((name) => name.endsWith(".types.ts"));
  });
  after(() => rm(directory, { recursive: true, force: true }));

  const read = async (name: string) => (await readFile(join(typesDirectory, name), "utf8")).split("\n");

  /** Compiles changed copies of types files. */
  async function compileCopies(copies: ReadonlyMap<string, readonly string[]>): Promise<Compiled> {
    const folder = await mkdtemp(join(directory, "run-"));
    for (const [name, lines] of copies) {
      // The copy is one folder deeper than the original.
      const text = lines.join("\n").replaceAll('from "../../', 'from "../../../');
      await writeFile(join(folder, name), text);
    }
    return compileFolder(folder, "*.types.ts");
  }

  async function compileFolder(folder: string, include: string): Promise<Compiled> {
    const tsconfig = join(folder, "tsconfig.json");
    const root = join(testDirectory, "..", "tsconfig.json");
    await writeFile(tsconfig, JSON.stringify({ extends: root, include: [include] }));
    return compile(tsconfig);
  }

  const at = (lines: readonly string[]) => lines.flatMap((line, index) => (directive.test(line) ? [index] : []));

  it("compile, and wrong code next to a directive is refused", async () => {
    assert.ok(names.length > 0);
    assert.deepEqual(await compileFolder(directory, join(typesDirectory, "*.types.ts")), { exitCode: 0, errors: [] });
  });

  it("report each fault, and nothing else, without the directives", async () => {
    const copies = new Map<string, readonly string[]>();
    const expected: string[] = [];
    for (const name of names) {
      const lines = await read(name);
      assert.ok(at(lines).length > 0, `${name} expects no error`);
      // The line stays, so that line numbers stay. tsc counts lines from 1, and reports the line after the directive.
      copies.set(
        name,
        lines.map((line) => line.replace(directive, "$1// was expected")),
      );
      for (const index of at(lines)) expected.push(`${name}:${index + 2}`);
    }
    const { exitCode, errors } = await compileCopies(copies);
    const reported = errors.map((error) => error.replace(/^.*?([^/]+)\((\d+),.*$/, "$1:$2"));
    assert.notEqual(exitCode, 0);
    assert.deepEqual([...new Set(reported)].sort(), expected.sort());
  });

  it("fail when one expected error is no longer expected", async () => {
    const [name] = names;
    assert.ok(name !== undefined);
    const lines = await read(name);
    const [first] = at(lines);
    assert.ok(first !== undefined);
    const { exitCode, errors } = await compileCopies(new Map([[name, lines.with(first, "")]]));
    assert.notEqual(exitCode, 0);
    assert.equal(errors.length, 1);
    assert.match(errors[0] ?? "", new RegExp(`${name}\\(${first + 2},`));
  });

  it("fail when an error is expected where there is none", async () => {
    const [name] = names;
    assert.ok(name !== undefined);
    const lines = [...(await read(name)), "// @ts-expect-error", "export const fine: number = 1;"];
    const { exitCode, errors } = await compileCopies(new Map([[name, lines]]));
    assert.notEqual(exitCode, 0);
    assert.equal(errors.length, 1);
    assert.match(errors[0] ?? "", /error TS2578: Unused '@ts-expect-error' directive/);
  });
});
