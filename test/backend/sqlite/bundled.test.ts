import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { buildSync, type Format } from "esbuild";
import { linkPackages, temporaryDirectory } from "./support.ts";

const program = `
  import { createCauce, defineWorkflow, final, implement } from "cauce";
  import { sqlite } from "cauce/sqlite";
  import { z } from "zod";
  const orders = implement(
    defineWorkflow({
      name: "orders",
      data: z.object({}),
      initial: "received",
      statuses: { received: { to: ["done"] }, done: final },
    }),
    { handlers: { received: () => "done" } },
  );
  const run = async () => {
    const cauce = await createCauce({ apps: orders, backend: sqlite({ directory: process.argv[2] }) });
    const { order } = await cauce.place("orders", {});
    await cauce.close();
    return order.status;
  };
  run().then(console.log, ({ code, message }) => console.log(code + ": " + message));`;

/** Bundles the program with esbuild, runs the bundle where packages are installed, and gives what it prints. */
function runBundled(t: TestContext, format: Format, external: readonly string[]): string {
  const { directory, remove } = temporaryDirectory();
  t.after(remove);
  linkPackages(directory);
  const outfile = join(directory, format === "esm" ? "program.mjs" : "program.cjs");
  buildSync({
    stdin: { contents: program, resolveDir: fileURLToPath(new URL("../../../", import.meta.url)), loader: "ts" },
    ...{ bundle: true, platform: "node", target: "node24", format, outfile, logLevel: "silent" },
    conditions: ["source"],
    external: [...external],
    // Some packages are CommonJS and load Node's modules by `require`.
    ...(format === "esm"
      ? {
          banner: {
            js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);',
          },
        }
      : {}),
  });
  const args = ["--conditions=source", outfile, join(directory, "data")];
  return execFileSync(process.execPath, args, { encoding: "utf8" });
}

for (const format of ["esm", "cjs"] as const) {
  test(`a program that is bundled without the package runs (${format})`, (t) => {
    assert.equal(runBundled(t, format, ["cauce"]), "received\n");
  });

  test(`a program that is bundled with the package says what to leave out (${format})`, (t) => {
    assert.match(
      runBundled(t, format, []),
      /^writer_missing: [^\n]+ bundled [^\n]+; keep the package out of the bundle \(with esbuild: --external:cauce\)[^\n]+\n$/,
    );
  });
}
