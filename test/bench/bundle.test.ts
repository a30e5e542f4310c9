import assert from "node:assert/strict";
import { it } from "node:test";
import { bundles, functions } from "../../bench/aws/bundle.ts";

/** In bytes, with some room: the request function's bundle as it is, and those of the other two. */
const bytesMost = { request: 900_000, processing: 760_000, sweep: 760_000 };

it("the functions' bundles hold no more than they need", async (t) => {
  const { of, remove } = await bundles(functions);
  t.after(remove);
  for (const entry of functions) {
    const bundle = of.get(entry);
    assert.ok(bundle !== undefined && bundle.bytes < bytesMost[entry], `${entry}: ${bundle?.bytes} bytes`);
    // One `import { z }`, one `z.core` or one lazily imported file that uses zod, and all languages of zod are in it.
    const languages = [...bundle.inputs].filter(
      ([file, bytes]) => /zod\/v4\/locales\/(?!en\.)/.test(file) && bytes > 0,
    );
    assert.deepEqual(languages, [], entry);
  }
});
