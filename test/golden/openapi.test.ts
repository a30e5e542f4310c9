import assert from "node:assert/strict";
import { it, type TestContext } from "node:test";
import app from "../../examples/orders/orders.app.ts";
import { memory } from "../../src/backend/memory/memory.ts";
import { createKey, formatKeyLine, parseKeys } from "../../src/http/auth.ts";
import { createCauce } from "../../src/index.ts";
import { fakeClock } from "../../src/testing/fakeClock.ts";
import { assertGolden, jsonOf, mergePatch } from "./golden.ts";

/** The document as a client gets it. */
async function served(t: TestContext, secured: boolean): Promise<object> {
  const { key, sha256 } = createKey();
  const auth = secured ? parseKeys(formatKeyLine({ name: "golden", role: "operate", sha256 }), "golden") : undefined;
  const cauce = await createCauce({ apps: app, backend: memory, clock: fakeClock(), auth });
  t.after(() => cauce.close());
  const headers = { authorization: `Bearer ${key}` };
  const response = await cauce.fetch(new Request("http://cauce.example/openapi.json", { headers }));
  assert.equal(response.status, 200);
  return (await response.json()) as object;
}

it("/openapi.json tells the API of examples/orders", async (t) => {
  const secured = await served(t, true);
  assertGolden("openapi.json", jsonOf(secured));
  assertGolden("openapi.open.json", jsonOf(mergePatch(secured, await served(t, false))));
});
