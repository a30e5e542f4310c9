import assert from "node:assert/strict";
import { test } from "node:test";
import manifest from "../../../package.json" with { type: "json" };
import { version } from "../../../src/http/openapi/routes.ts";

test("the version in the source is the version in package.json", () => {
  assert.equal(version, manifest.version);
});
