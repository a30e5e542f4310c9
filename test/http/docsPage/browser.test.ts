import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { type Browser, chromium, type Page } from "playwright-core";
import orders from "../../../examples/orders/orders.app.ts";
import { memory } from "../../../src/backend/memory/memory.ts";
import { type Cauce, createCauce } from "../../../src/cauce.ts";
import { createKey } from "../../../src/http/auth.ts";
import { type Listener, listen } from "../../../src/node/server.ts";

const paths = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];
const executablePath = paths.find((path) => existsSync(path));
const skip = executablePath === undefined && `no Chromium or Chrome at ${paths.join(", ")}`;

describe("/docs in a browser", { skip }, () => {
  const key = createKey();
  const auth = { keys: [{ name: "reader", role: "read" as const, sha256: key.sha256 }] };
  let browser: Browser;
  before(async () => {
    // Chromium's sandbox needs rights that containers seldom give, and the page is our own.
    browser = await chromium.launch({ executablePath: executablePath as string, args: ["--no-sandbox"] });
  });
  after(() => browser.close());

  /** Opens a page on a server of the example, and notes its requests and its errors. */
  async function opened(
    { secured, width = 1280, dark = false }: { secured: boolean; width?: number; dark?: boolean },
    use: (page: Page, asked: readonly string[], complaints: readonly string[]) => Promise<void>,
  ): Promise<void> {
    let cauce: Cauce | undefined;
    let listener: Listener | undefined;
    const context = await browser.newContext({
      viewport: { width, height: 800 },
      colorScheme: dark ? "dark" : "light",
    });
    try {
      cauce = await createCauce({ apps: orders, backend: memory, basePath: "/api", ...(secured ? { auth } : {}) });
      const { fetch } = cauce;
      listener = await listen((request, env) => fetch(request, env), { host: "127.0.0.1", port: 0 });
      const page = await context.newPage();
      const [asked, complaints]: [string[], string[]] = [[], []];
      page.on("request", (request) => asked.push(request.url()));
      page.on("pageerror", (error) => complaints.push(error.message));
      page.on("console", (message) => {
        if (message.type() === "error" && !message.text().includes("401")) complaints.push(message.text());
      });
      const origin = `http://127.0.0.1:${listener.port}`;
      await page.goto(`${origin}/api/docs`);
      await use(page, asked, complaints);
      assert.deepEqual(complaints, []);
      for (const url of asked) assert.ok(url.startsWith(`${origin}/api/`) || url.startsWith("data:"), url);
    } finally {
      await context.close();
      listener?.abort();
      await listener?.close();
      await cauce?.close();
    }
  }

  test("shows every route, and one with its parameters, schema, command and errors", async () => {
    await opened({ secured: false }, async (page, asked) => {
      await page.waitForSelector(".route");
      const document = (await (await page.request.get(asked.at(-1) ?? "")).json()) as { paths: object };
      const count = Object.values(document.paths).flatMap(Object.keys).length;
      assert.equal(await page.locator(".route").count(), count);
      assert.equal(await page.locator("nav a").count(), count);

      await page.locator("nav a", { hasText: /POST\s*\/orders$/ }).click();
      const route = page.locator(".route[open]");
      await route.locator(".inside").waitFor();
      const text = (await route.textContent()) ?? "";
      assert.match(text, /curl 'http:\/\/127\.0\.0\.1:\d+\/api\/orders'/);
      assert.match(text, /--data-binary '\{"customerId":"c-1"/);
      assert.doesNotMatch(text, /authorization/);
      for (const said of ["Idempotency-Key", "customerId", "invalid_data", "422", "Location", "intake"]) {
        assert.ok(text.includes(said), said);
      }
      await route.locator("summary", { hasText: "items" }).first().click();
      await route.locator("summary", { hasText: "each item" }).first().click();
      assert.match((await route.textContent()) ?? "", /unitPrice/);
    });
  });

  test("asks for a key, says when the key is wrong, and stores it nowhere", async () => {
    await opened({ secured: true }, async (page) => {
      await page.getByLabel("Key").fill("wrong");
      await page.keyboard.press("Enter");
      await page.getByText("does not know this key").waitFor();
      await page.getByLabel("Key").fill(key.key);
      await page.getByRole("button", { name: "Show the API" }).click();
      await page.waitForSelector(".route");
      assert.ok(!(await page.locator("#ask").isVisible()));
      assert.deepEqual(await page.evaluate("[document.cookie, localStorage.length, sessionStorage.length]"), [
        "",
        0,
        0,
      ]);
      await page.reload();
      await page.getByLabel("Key").waitFor();
    });
  });

  test("can be used with the keyboard alone", async () => {
    await opened({ secured: false }, async (page) => {
      await page.waitForSelector(".route");
      await page.keyboard.press("Tab");
      assert.equal(await page.evaluate("document.activeElement.textContent"), "Skip to the routes");
      await page.keyboard.press("Enter");
      await page.keyboard.press("Tab");
      assert.equal(await page.evaluate("document.activeElement.tagName"), "SUMMARY");
      await page.keyboard.press("Enter");
      await page.locator(".route[open] .inside").waitFor();
    });
  });

  for (const [width, dark] of [
    [390, false],
    [390, true],
    [1280, true],
  ] as const) {
    test(`fits ${width} pixels, ${dark ? "dark" : "light"}`, async () => {
      await opened({ secured: false, width, dark }, async (page) => {
        await page.waitForSelector(".route");
        await page.evaluate("location.hash = '#orders.place'");
        await page.locator(".route[open] .inside").waitFor();
        assert.equal(await page.evaluate("document.documentElement.scrollWidth - innerWidth"), 0);
        const ground = String(await page.evaluate("getComputedStyle(document.body).backgroundColor"));
        assert.equal(ground, dark ? "rgb(20, 23, 28)" : "rgb(255, 255, 255)");
      });
    });
  }
});
