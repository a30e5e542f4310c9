import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createKey, formatKeyLine } from "../../src/http/auth.ts";
import { lambdaAuth } from "../../src/lambda/open.ts";
import { readFunctionSettings } from "../../src/node/readSettings.ts";

describe("a function's settings", () => {
  it("have defaults, except for the access", () => {
    const settings = readFunctionSettings({});
    assert.deepEqual([settings.stage, settings.delivery, settings.public], ["dev", undefined, false]);
    assert.equal(settings.metrics, true);
    assert.throws(() => lambdaAuth(settings), { code: "keys_required" });
    assert.equal(settings.retentionDays, undefined);
    assert.equal(readFunctionSettings({ CAUCE_RETENTION_DAYS: "30" }).retentionDays, 30);
    assert.equal(lambdaAuth(readFunctionSettings({ CAUCE_PUBLIC: "true" })), undefined);
  });

  it("take keys as lines separated by commas", () => {
    const [first, second] = [createKey(), createKey()];
    const lines = [
      formatKeyLine({ name: "a", role: "read", sha256: first.sha256 }),
      formatKeyLine({ name: "b", role: "operate", sha256: second.sha256 }),
    ];
    const auth = lambdaAuth(readFunctionSettings({ CAUCE_KEYS: lines.join(",") }));
    assert.deepEqual(
      auth?.keys.map(({ name, role }) => [name, role]),
      [
        ["a", "read"],
        ["b", "operate"],
      ],
    );
  });

  for (const [name, value] of [
    ["CAUCE_DELIVERY", "lifo"],
    ["CAUCE_METRICS", "no"],
    ["CAUCE_PUBLIC", "yes"],
    ["CAUCE_RETENTION_DAYS", "0.5"],
    ["CAUCE_QUEUE_URL_BASE", "https://sqs.eu-west-1.amazonaws.com/123456789012"],
    ["CAUCE_QUEUE_URL_BASE", "queues/"],
    ["CAUCE_STAGE", "a b"],
    ["CAUCE_TOPIC_ARN", "orders-topic-dev"],
    ["CAUCE_STAEG", "prod"],
  ] as const) {
    it(`refuse ${name}=${value}, with its name on one line`, () => {
      assert.throws(
        () => readFunctionSettings({ [name]: value }),
        (error: Error & { code?: string }) => {
          assert.equal(error.code, "setting_invalid");
          assert.match(error.message, new RegExp(`^${name}[^\\n]*$`));
          return true;
        },
      );
    });
  }
});
