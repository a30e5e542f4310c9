import assert from "node:assert/strict";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, before, describe, it, type TestContext } from "node:test";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { packCheckout } from "../src/cli/init.ts";
import { compiler } from "./package/compiler.ts";
import { npmInstall } from "./package/install.ts";
import { begin, bytesIn, root, run } from "./package/support.ts";

// The package as its users get it: built, packed, installed into projects, and used there.

const consumer = join(root, "test/package/consumer");
const bytesMax = 30_000_000;
const packagesMax = 60;
/** Longer than any drain, so that only a hanging server is killed. */
const hangMilliseconds = 120_000;
const resolutions = { node16: "node16", bundler: "esnext" };

interface Description {
  readonly version: string;
  readonly bin: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

const readJson = (path: string) => JSON.parse(readFileSync(path, "utf8"));

describe("the package", () => {
  let directory: string;
  let tarball: string;
  let project: string;
  let installed: string;
  const description: Description = readJson(join(root, "package.json"));

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), "cauce-package-"));
    tarball = await packCheckout(root, directory);
    project = join(directory, "project");
    installed = join(project, "node_modules/cauce");
    mkdirSync(project);
    writeFileSync(join(project, "package.json"), JSON.stringify({ private: true, type: "module" }));
    await npmInstall(project, tarball, `zod@${description.devDependencies.zod}`);
    cpSync(consumer, project, { recursive: true });
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  it("passes publint", async () => {
    const { buffer, byteOffset, byteLength } = readFileSync(tarball);
    const bytes = buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer;
    const { messages, pkg } = await publint({ pack: { tarball: bytes }, strict: true });
    assert.deepEqual(
      messages.map((message) => formatMessage(message, pkg)),
      [],
    );
  });

  it("has each file that its exports, imports and bin name, with its types", () => {
    const { exports, bin } = readJson(join(installed, "package.json")) as Description;
    assert.deepEqual(exports, description.exports);
    const modules = Object.values(exports).flatMap((entry) => (typeof entry === "string" ? [] : [entry]));
    assert.ok(modules.length > 2);
    for (const { default: file = "" } of modules) {
      assert.ok(existsSync(join(installed, file)), file);
      assert.ok(existsSync(join(installed, file.replace(/\.js$/, ".d.ts"))), `the types of ${file}`);
    }
    for (const file of Object.values(bin)) assert.ok(existsSync(join(installed, file)), file);
  });

  it("holds the files to be shipped and no others", () => {
    const expected = [
      "CHANGELOG.md",
      "LICENSE",
      "README.es.md",
      "README.md",
      "bin",
      "dist",
      "package.json",
      "templates",
    ];
    assert.deepEqual(readdirSync(installed).sort(), expected);
    const built = readdirSync(join(installed, "dist"), { recursive: true, encoding: "utf8" });
    assert.deepEqual(
      built.filter((file) => /\.test\.|(?<!\.d)\.ts$/.test(file)),
      [],
    );
  });

  it(`takes under ${bytesMax / 1_000_000} MB and ${packagesMax} packages in an empty project`, () => {
    const { packages } = readJson(join(project, "node_modules/.package-lock.json"));
    const count = Object.keys(packages).length;
    assert.ok(count > 1 && count <= packagesMax, `${count} packages`);
    const bytes = bytesIn(join(project, "node_modules"));
    assert.ok(bytes > 1_000_000 && bytes < bytesMax, `${bytes} bytes`);
  });

  it("serves a workflow in plain JavaScript", async (t) => {
    const { url } = await serve(
      t,
      project,
      "npx",
      "cauce",
      "start",
      "shop.app.js",
      "--data",
      "shop-data",
      "--port",
      "0",
    );
    const shipped = await orderAt(url, "shop", { sku: "TEA-1", quantity: 2 }, "shipped");
    assert.match(String(shipped.results.parcel), /^PARCEL-/);
    await orderAt(url, "shop", { sku: "NONE", quantity: 1 }, "refused");
  });

  it("serves a workflow in TypeScript, which Node strips", async (t) => {
    const { url } = await serve(
      t,
      project,
      "npx",
      "cauce",
      "start",
      "claims.app.ts",
      "--data",
      "claims-data",
      "--port",
      "0",
    );
    const paid = await orderAt(url, "claims", { policy: "p-1", amount: 500 }, "paid");
    assert.deepEqual(paid.results, { paid: 500 });
    await orderAt(url, "claims", { policy: "p-1", amount: 5_000 }, "assessing");
  });

  it("names the packages that the AWS backend lacks, and how to install them", async () => {
    for (const command of ["start", "sweep"]) {
      const { code, stderr } = await begin(project, "npx", "cauce", command, "shop.app.js", "--backend", "aws").ended;
      const names = "@aws-sdk/client-dynamodb @aws-sdk/client-sns @aws-sdk/client-sqs";
      assert.match(stderr, new RegExp(`^package_missing: .*is not installed; run npm install ${names}$`, "m"));
      assert.equal(code, 1);
    }
  });

  it("names every package that emulating lacks, at once and before it bundles", async () => {
    const { code, stdout, stderr } = await begin(project, "npx", "cauce", "emulate", "shop.app.js", "--public").ended;
    const names = "dynalite fauxqs @aws-sdk/\\S+ @aws-sdk/\\S+ @aws-sdk/\\S+ aws-cdk-lib constructs esbuild";
    assert.match(stderr, new RegExp(`^package_missing: cauce emulate needs .*; run npm install ${names}$`, "m"));
    assert.doesNotMatch(stdout + stderr, /Bundling/);
    assert.equal(code, 1);
  });

  it("has types of cauce/aws and cauce/lambda that hold where the SDK is installed", async () => {
    const shop = join(directory, "aws");
    mkdirSync(shop);
    writeFileSync(join(shop, "package.json"), JSON.stringify({ private: true, type: "module" }));
    const sdk = ["dynamodb", "sns", "sqs"].map((name) => `@aws-sdk/client-${name}`);
    const versions = sdk.map((name) => `${name}@${description.devDependencies[name]}`);
    await npmInstall(shop, tarball, `zod@${description.devDependencies.zod}`, ...versions);
    cpSync(join(consumer, "claims.app.ts"), join(shop, "claims.app.ts"));
    writeFileSync(
      join(shop, "functions.ts"),
      `import { type Cauce, createCauce } from "cauce";
import { type AwsBackend, aws } from "cauce/aws";
import { processingHandler, requestHandler, sweepHandler } from "cauce/lambda";
import claims from "./claims.app.ts";
export const opened: Promise<Cauce> = createCauce({ apps: claims, backend: aws({ stage: "prod" }) });
export const give = (backend: AwsBackend) => backend.giveBack;
export const handlers = [requestHandler(claims), processingHandler(claims), sweepHandler(claims)];
// @ts-expect-error a stage is a text
aws({ stage: 1 });
`,
    );
    for (const [moduleResolution, module] of Object.entries(resolutions)) {
      const config = `tsconfig.${moduleResolution}.json`;
      writeFileSync(join(shop, config), JSON.stringify({ compilerOptions: strictly(module, moduleResolution) }));
      await run(shop, process.execPath, compiler, "-p", config);
    }
  });

  it("runs as a library in a program", async () => {
    const printed = await run(project, process.execPath, "main.ts");
    assert.equal(printed, "true received 200\n");
  });

  for (const [moduleResolution, module] of Object.entries(resolutions)) {
    it(`has types that hold under moduleResolution ${moduleResolution}, and refuse wrong code`, async () => {
      const compilerOptions = strictly(module, moduleResolution);
      const config = `tsconfig.${moduleResolution}.json`;
      writeFileSync(join(project, config), JSON.stringify({ compilerOptions, include: ["*.ts"] }));
      await run(project, process.execPath, compiler, "-p", config);
    });
  }

  for (const language of ["typescript", "javascript"]) {
    it(`writes a project in ${language} that installs, passes its test and starts`, async (t) => {
      const shop = join(directory, language);
      const told = await run(project, "npx", "cauce", "init", shop, `--${language}`);
      assert.equal(readJson(join(shop, "package.json")).dependencies.cauce, `file:${basename(tarball)}`);
      // No registry has this version, so the command says how the project gets the package's file.
      const [, , ...args] = /^ {2}(npm pack .+)$/m.exec(told)?.[1]?.split(" ") ?? [];
      if (language === "typescript") await run(shop, "npm", "pack", ...args);
      else cpSync(tarball, join(shop, basename(tarball)));
      await npmInstall(shop);
      const tested = await run(shop, "npm", "test");
      assert.match(tested, /\bpass 2\b/);
      assert.match(tested, /\bfail 0\b/);
      if (language === "typescript") await run(shop, "npm", "run", "typecheck");
      const { server, url } = await serve(t, shop, "npm", "start", "--", "--port", "0");
      const items = [{ sku: "TEA-1", quantity: 2, unitPrice: 4.5 }];
      await orderAt(url, "orders", { customerId: "c-1", items }, "shipped");
      server.kill("SIGTERM");
      const { code, stdout } = await server.ended;
      assert.match(stdout, /Drained\.\n$/);
      assert.equal(code, 0);
    });
  }
});

/** Gives the compiler options of a strict project. */
function strictly(module: string, moduleResolution: string) {
  return {
    target: "es2024",
    lib: ["es2024", "esnext.disposable"],
    module,
    moduleResolution,
    // The types of Node are this repository's, since the project installed none.
    typeRoots: [join(root, "node_modules/@types")],
    types: ["node"],
    strict: true,
    exactOptionalPropertyTypes: true,
    allowImportingTsExtensions: true,
    noEmit: true,
  };
}

/** Starts a server, and gives its address. When the test ends, Ctrl+C stops the server, which must drain. */
async function serve(t: TestContext, directory: string, command: string, ...args: readonly string[]) {
  const server = begin(directory, command, ...args);
  t.after(async () => {
    server.killAll("SIGINT");
    const late = setTimeout(() => server.killAll("SIGKILL"), hangMilliseconds);
    const { stdout } = await server.ended;
    clearTimeout(late);
    assert.match(stdout, /Drained\.\n/);
  });
  return { server, url: String((await server.wrote(/listens on (http:\S+)/))[1]) };
}

/** Places an order over HTTP, and gives it once it is in a status. */
async function orderAt(url: string, workflow: string, data: unknown, status: string) {
  const headers = { "content-type": "application/json" };
  const placed = await fetch(`${url}/${workflow}`, { method: "POST", headers, body: JSON.stringify(data) });
  assert.equal(placed.status, 202, await placed.clone().text());
  const at = new URL(String(placed.headers.get("location")), url);
  for (;;) {
    const order = (await (await fetch(at)).json()) as { status: string; results: Record<string, unknown> };
    if (order.status === status) return order;
  }
}
