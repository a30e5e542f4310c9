import { rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

export interface Bundle {
  readonly path: string;
  readonly bytes: number;
  /** The bytes that each file put into the bundle. */
  readonly inputs: ReadonlyMap<string, number>;
}

export const functions = ["request", "processing", "sweep"] as const;
export type Entry = (typeof functions)[number] | "clients";

// Some of the SDK's packages are CommonJS and ask for Node's modules by `require`.
const banner = 'import{createRequire as cauceRequire}from"node:module";const require=cauceRequire(import.meta.url);';

/** Bundles each entry of this folder into one minified file with everything in it, as a function is deployed. */
export async function bundles(entries: readonly Entry[]): Promise<{ of: Map<Entry, Bundle>; remove(): void }> {
  const directory = await mkdtemp(join(tmpdir(), "cauce-aws-"));
  const of = new Map<Entry, Bundle>();
  for (const entry of entries) {
    const path = join(directory, `${entry}.mjs`);
    const { metafile } = await build({
      entryPoints: [fileURLToPath(new URL(`${entry}.ts`, import.meta.url))],
      outfile: path,
      bundle: true,
      minify: true,
      metafile: true,
      platform: "node",
      target: "node24",
      format: "esm",
      conditions: ["source"],
      mainFields: ["module", "main"],
      banner: { js: banner },
      logLevel: "error",
    });
    const [output] = Object.values(metafile.outputs);
    if (output === undefined) throw new Error(`esbuild made nothing of ${entry}.ts`);
    const inputs = Object.entries(output.inputs).map(([file, { bytesInOutput }]) => [file, bytesInOutput] as const);
    of.set(entry, { path, bytes: output.bytes, inputs: new Map(inputs) });
  }
  return { of, remove: () => rmSync(directory, { recursive: true }) };
}
