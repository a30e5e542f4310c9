import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdir } from "node:fs/promises";
import { dirname } from "node:path";
import { it } from "node:test";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { handled, workflow } from "../../bench/aws/app.ts";
import { type Bundle, bundles, functions } from "../../bench/aws/bundle.ts";
import type { HttpAnswer } from "../../src/lambda/index.ts";
import { createStack, startEmulators } from "../backend/aws/emulators.ts";

/** The largest size of each function's bundle in bytes, some room above today's. */
const bytesMax = { request: 850_000, processing: 790_000, sweep: 790_000 };

it("each function's bundle stays under its size and holds one language of zod", async (t) => {
  const { of, remove } = await bundles(functions);
  t.after(remove);
  for (const entry of functions) {
    const bundle = of.get(entry);
    assert.ok(bundle !== undefined && bundle.bytes < bytesMax[entry], `${entry}: ${bundle?.bytes} bytes`);
    // One `import { z }`, one `z.core` or one lazily imported user of zod puts every language of zod into a bundle.
    const languages = [...bundle.inputs].filter(
      ([file, bytes]) => /zod\/v4\/locales\/(?!en\.)/.test(file) && bytes > 0,
    );
    assert.deepEqual(languages, [], entry);
  }
});

/** Runs the bundle in a process of its own and requests each path in turn. */
async function responsesOf({ path }: Bundle, stage: string, paths: readonly string[]): Promise<HttpAnswer[]> {
  const script = `
    const { handler } = await import(${JSON.stringify(pathToFileURL(path).href)});
    const answers = [];
    for (const rawPath of ${JSON.stringify(paths)}) {
      const requestContext = { domainName: "api.example", requestId: "r", http: { method: "GET" } };
      answers.push(await handler({ rawPath, rawQueryString: "", headers: {}, isBase64Encoded: false, requestContext }));
    }
    process.stdout.write("\\n" + JSON.stringify(answers), () => process.exit());`;
  const env = { ...process.env, CAUCE_PUBLIC: "true", CAUCE_STAGE: stage };
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", script], {
    env,
    cwd: dirname(path),
    maxBuffer: 10_000_000,
  });
  return JSON.parse(stdout.split("\n").at(-1) ?? "");
}

// The test needs the emulators, since a function reads its store before it answers.
it("the request function's one file serves the OpenAPI document and the docs page", async (t) => {
  const emulators = await startEmulators();
  const stage = "onefile";
  const stack = await createStack({ workflow: workflow.name, stage, mode: "standard", statuses: handled });
  t.after(async () => {
    await stack.remove();
    await emulators.stop();
  });
  const { of, remove } = await bundles(["request"]);
  t.after(remove);
  const bundle = of.get("request");
  assert.ok(bundle);
  assert.deepEqual(await readdir(dirname(bundle.path)), ["request.mjs"]);
  const [description, page] = await responsesOf(bundle, stage, ["/openapi.json", "/docs"]);
  assert.equal(description?.statusCode, 200, description?.body);
  const { info, paths } = JSON.parse(description.body);
  assert.match(info.version, /^\d+\.\d+\.\d+/);
  assert.ok("post" in paths["/orders"]);
  assert.equal(page?.statusCode, 200, page?.body);
  const [style] = /<style>[^<]+<\/style>/.exec(page.body) ?? [];
  const [script] = /<script type="module">[\s\S]+<\/script>/.exec(page.body) ?? [];
  assert.match(style ?? "", /\.route/);
  assert.match(script ?? "", /fetch\("openapi\.json"/);
  // The page fetches the OpenAPI document and no other file.
  assert.doesNotMatch(page.body, /<link[^>]* href="(?!data:)|<script[^>]* src=|\bimport\b\s*[({"]/);
});
