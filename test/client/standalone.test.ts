import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { compiler } from "../package/compiler.ts";
import { served } from "./support.ts";

// The client runs where no server does. A process of its own shows what it loads and what it needs of its environment.

const root = fileURLToPath(new URL("../../", import.meta.url));

async function run(source: string, ...args: string[]): Promise<unknown> {
  const flags = ["--conditions=source", "--input-type=module", "--eval", source, "--", ...args];
  const { stdout } = await promisify(execFile)(process.execPath, flags, { cwd: root });
  return JSON.parse(stdout);
}

const recordImports = `
  import { registerHooks } from "node:module";
  const urls = [];
  registerHooks({ resolve(specifier, context, next) {
    const resolved = next(specifier, context);
    urls.push(resolved.url);
    return resolved;
  } });
`;

describe("cauce/http", () => {
  it("loads nothing of the server, of Node or of another package", async () => {
    const urls = (await run(
      `${recordImports} await import("cauce/http"); console.log(JSON.stringify(urls));`,
    )) as string[];
    const files = urls.map((url) => url.replace(new URL("../../src/", import.meta.url).href, ""));
    assert.ok(files.includes("client/createClient.ts"));
    const foreign = files.filter(
      (file) => !/^(client\/\w+|core\/(errors|json|marks|reasons)|api\/orders)\.ts$/.test(file),
    );
    assert.deepEqual(foreign, []);
    // The record does show Node's modules and packages where they are loaded.
    const all = (await run(`${recordImports} await import("cauce"); console.log(JSON.stringify(urls));`)) as string[];
    assert.ok(all.some((url) => url.startsWith("node:")) && all.some((url) => url.includes("node_modules/hono")));
  });

  it("uses only what browsers have, by the compiler's list for the DOM", async (t) => {
    const directory = await mkdtemp(join(root, "test/.browser-"));
    t.after(() => rm(directory, { recursive: true }));
    const errorsIn = async (extra: string) => {
      const compilerOptions = { types: [], lib: ["es2024", "dom"] };
      const include = ["../../src/client/*.ts", "*.ts"];
      await writeFile(join(directory, "extra.ts"), extra);
      await writeFile(
        join(directory, "tsconfig.json"),
        JSON.stringify({ extends: "../../tsconfig.json", compilerOptions, include }),
      );
      const { stdout } = await promisify(execFile)(process.execPath, [
        compiler,
        "--pretty",
        "false",
        "-p",
        directory,
      ]).catch((error: { stdout: string }) => error);
      // The client takes types from files in core that also run in Node. Their errors do not count.
      return stdout.split("\n").filter((line) => /(src\/client\/|extra)\S*\.ts\(/.test(line));
    };
    assert.deepEqual(await errorsIn("export {};"), []);
    assert.equal((await errorsIn("export const bytes = Buffer.alloc(1);")).length, 1);
  });

  it("works on a page served over plain HTTP, which has no crypto.randomUUID", async (t) => {
    const { url } = await served(t);
    const answer = await run(
      `
        import { createClient } from "cauce/http";
        const client = createClient({ url: process.argv[1] });
        Object.defineProperty(crypto, "randomUUID", { value: undefined });
        delete globalThis.process;
        const { order } = await client.place({ to: "Ada" });
        const { status } = await client.waitFor(order.id, "held");
        console.log(JSON.stringify([typeof process, status]));
      `,
      `${url}/parcels`,
    );
    assert.deepEqual(answer, ["undefined", "held"]);
  });
});
