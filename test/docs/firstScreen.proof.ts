import assert from "node:assert/strict";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { it, type TestContext } from "node:test";
import { description } from "../../src/cli/output.ts";
import { atEnd, temporaryDirectory } from "../cli/support.ts";
import { begin, run } from "../package/support.ts";
import { readPage, readText, root } from "./markdown.ts";
import { commandsOf } from "./screen.ts";
import { parseCurl } from "./tour.ts";

const shownAddress = "http://127.0.0.1:3000";

it("the first screen has commands that work, typed line by line in a copy of the checkout", {
  timeout: 600_000,
}, async (t) => {
  const directory = temporaryDirectory(t);
  // The name needs quotes in a shell.
  const checkout = join(directory, "My checkout");
  copyCheckout(checkout);
  const shop = join(directory, "shop");
  const file = `cauce-${description().version}.tgz`;
  const [startLine = "", testLine = "", curlLine = "", initLine = ""] = commandsOf(readPage("README.md"));

  const sample = await serve(t, checkout, startLine);
  const { url, method, headers, body = "" } = parseCurl(curlLine.replace(shownAddress, sample.url));
  const placed = await fetch(url, { method, headers: [...headers], body });
  assert.equal(placed.status, 202);
  await reaches(new URL(String(placed.headers.get("location")), sample.url), "shipped");

  // `npm test` runs every test, this one too, so only .ci/run types it.
  assert.match(readText(".ci/run"), /^npm ci\n[\s\S]*^npm test\b/m);
  assert.match(testLine, /^npm ci && npm test\b/);

  assert.match(await type(checkout, initLine), /\bfail 0\b/);
  assert.equal(JSON.parse(readFileSync(join(shop, "package.json"), "utf8")).dependencies.cauce, `file:${file}`);
  assert.ok(existsSync(join(shop, file)));
  // npm runs a script in its package's folder, and the path is relative to the shell's.
  await type(join(checkout, "docs"), "npm run cauce -- init '../Tea Shop' --javascript");
  for (const name of ["orders.app.js", file]) assert.ok(existsSync(join(checkout, "Tea Shop", name)), name);
  assert.ok(!existsSync(join(checkout, "dist")));

  await sample.stop();
  rmSync(checkout, { recursive: true });
  const project = await serve(t, shop, "npm ci && npm start");
  const data = JSON.stringify({ customerId: "c-1", items: [{ sku: "TEA-1", quantity: 2, unitPrice: 4.5 }] });
  const order = await fetch(`${project.url}/orders`, { method, headers: [...headers], body: data });
  await reaches(new URL(String(order.headers.get("location")), project.url), "shipped");
  await project.stop();
});

/** Copies a checkout with its uncommitted changes, and without files that runs make. */
function copyCheckout(to: string): void {
  const made = ["node_modules", "dist", "cauce-data", ".git"];
  mkdirSync(to);
  cpSync(root, to, { recursive: true, filter: (path) => !made.includes(basename(path)) });
}

/** Gives the command that runs a line in a shell. npm takes packages from its cache where the cache has them. */
function typed(line: string): [string, ...string[]] {
  return ["env", "CAUCE_PORT=0", "npm_config_prefer_offline=true", "sh", "-c", line];
}

function type(directory: string, line: string): Promise<string> {
  return run(directory, ...typed(line));
}

async function serve(t: TestContext, directory: string, line: string) {
  const server = begin(directory, ...typed(line));
  const stop = async () => {
    server.killAll("SIGINT");
    await server.ended;
  };
  atEnd(t, stop);
  const [, url = ""] = await server.wrote(/listens on (http:\S+)/);
  return { url, stop };
}

async function reaches(order: URL, wanted: string): Promise<void> {
  for (;;) {
    const { status } = (await (await fetch(order)).json()) as { status: string };
    if (status === wanted) return;
  }
}
