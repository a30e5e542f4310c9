import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { synthesized, topologies } from "../deploy/support.ts";
import { assertGolden, type GoldenFile, jsonOf, mergePatch } from "./golden.ts";

type Options = Parameters<typeof synthesized>[0];

/** The template, with what hangs on the bundled code masked. */
async function template(options: Options): Promise<object> {
  const made = await synthesized(options);
  made.remove();
  const [stack] = made.stacks;
  return JSON.parse(JSON.stringify(stack?.template), (_, value) =>
    typeof value === "string" ? value.replace(/\b[0-9a-f]{64}\b/g, "(hash)") : value,
  ) as object;
}

describe("the templates", () => {
  let base: object;
  before(async () => {
    base = await template(topologies.find(({ title }) => title === "standard, shared")?.options);
  });

  it("are those of the shared functions in standard delivery", () => {
    assertGolden("template.standard.shared.json", jsonOf(base));
  });

  for (const { title, options } of topologies) {
    if (title === "standard, shared") continue;
    it(`differ as they did (${title})`, async () => {
      const name = `template.${title.replace(", ", ".")}.json` as GoldenFile;
      assertGolden(name, jsonOf(mergePatch(base, await template(options))));
    });
  }

  it("differ as they did (a stage outside dev, with keys)", async () => {
    const sha256 = "ab".repeat(32);
    const secured = await template({
      ...{ stage: "prod", access: { keys: `desk operate ${sha256}` }, retentionDays: 30 },
      alarmTopicArn: "arn:aws:sns:eu-west-1:123456789012:on-call",
    });
    assert.notDeepEqual(secured, base);
    assertGolden("template.secured.json", jsonOf(mergePatch(base, secured)));
  });
});
