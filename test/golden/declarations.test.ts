import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { compiler } from "../package/compiler.ts";
import { root, run } from "../package/support.ts";
import { publicDeclarations } from "./declarations.ts";
import { assertGolden, type GoldenFile, goldenFiles } from "./golden.ts";

interface Description {
  readonly exports: Readonly<Record<string, string | { readonly source: string }>>;
}

describe("the types of the package", () => {
  const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Description;
  const entries = Object.entries(exports).flatMap(([path, entry]) =>
    typeof entry === "string" ? [] : [{ file: `cauce${path.slice(1).replace("/", ".")}.d.ts`, source: entry.source }],
  );
  let directory: string;
  before(async () => {
    directory = mkdtempSync(join(tmpdir(), "cauce-types-"));
    const config = join(directory, "tsconfig.json");
    const compilerOptions = {
      ...{ rootDir: join(root, "src"), outDir: directory, typeRoots: [join(root, "node_modules/@types")] },
      // Other tests check the types: what is declared is the same without, in a sixth of the time.
      ...{ emitDeclarationOnly: true, noCheck: true },
    };
    const files = entries.map(({ source }) => join(root, source));
    writeFileSync(
      config,
      JSON.stringify({ extends: join(root, "tsconfig.build.json"), compilerOptions, files, include: [] }),
    );
    await run(root, process.execPath, compiler, "-p", config);
  });
  after(() => rmSync(directory, { recursive: true }));

  for (const { file, source } of entries) {
    it(`are those of ${file}`, () => {
      assert.ok(Object.hasOwn(goldenFiles, file), file);
      const entry = join(directory, source.replace("./src/", "").replace(/\.ts$/, ".d.ts"));
      assertGolden(file as GoldenFile, publicDeclarations(entry));
    });
  }
});
