import assert from "node:assert/strict";
import { cpSync, existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { createCauce } from "cauce";
import { memory } from "cauce/testing";
import orders from "../../examples/orders/orders.app.ts";
import { listen } from "../../src/node/server.ts";
import { atEnd, cauce, temporaryDirectory } from "../cli/support.ts";
import { readPage, readText, root } from "./markdown.ts";

const page = readPage("docs/importing.md");
const folder = "examples/import";

test("the importing page shows the files of examples/import", () => {
  const shown = page.fences.flatMap(({ comment, body }) => (comment === "" ? [] : [[comment.slice(8), body]]));
  assert.deepEqual(
    shown.map(([path]) => path).sort(),
    readdirSync(join(root, folder))
      .map((name) => `${folder}/${name}`)
      .sort(),
  );
  for (const [path = "", body] of shown) assert.equal(body, readText(path).trim(), path);
});

test("the commands of the importing page do what they show", async (t) => {
  const directory = temporaryDirectory(t);
  cpSync(join(root, folder), directory, { recursive: true });
  const server = await createCauce({ apps: orders, backend: memory });
  const listener = await listen(server.fetch, { host: "127.0.0.1", port: 0 });
  atEnd(t, async () => {
    listener.abort();
    await listener.close();
    await server.close();
  });
  const consoles = page.fences.filter(({ language }) => language === "console");
  assert.equal(consoles.length, 2);
  for (const { body } of consoles) {
    const [command = "", ...shown] = body.split("\n");
    const [, , ...args] = command.split(" ");
    const here = args.map((arg) => (existsSync(join(directory, arg)) ? join(directory, arg) : arg));
    const run = cauce(t, here, { env: { CAUCE_URL: `http://127.0.0.1:${listener.port}` } });
    const { code, stdout, stderr } = await run.ended;
    assert.equal(code, shown.length - 1);
    const plain = (text: string) => text.replaceAll(`${directory}/`, "").replace(/in [\d.]+ s \(\d+ a second\)/, "");
    assert.equal(plain(stdout + stderr), plain(`${shown.join("\n")}\n`));
  }
  const [refused = ""] = readFileSync(join(directory, "orders.ndjson.refused.ndjson"), "utf8").split("\n");
  assert.deepEqual(Object.keys(JSON.parse(refused)), ["line", "problem", "text"]);
  const { items } = await server.list("orders");
  const [mug] = items as { data: { items: object[]; note?: string } }[];
  assert.equal(mug?.data.note, "blue, if there is one");
  assert.deepEqual(mug?.data.items[1], { sku: "TEA-1", quantity: 1, unitPrice: 4.5 });
});
