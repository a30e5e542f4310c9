import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { z } from "zod";
import { defineWorkflow, final, implement } from "../../src/index.ts";
import { backendOnAws } from "../../src/node/awsResources.ts";

const appOf = (name: string) =>
  implement(
    defineWorkflow({ name, data: z.object({}), initial: "open", statuses: { open: { to: ["done"] }, done: final } }),
    { handlers: { open: async () => "done" as const } },
  );
const log = { info() {}, warn() {}, error() {} };
const choice = { stage: "dev", queueUrlBase: undefined, delivery: "standard" } as const;
const topicArn = "arn:aws:sns:eu-west-1:123456789012:one-topic-dev";

describe("the backend of a stack", () => {
  it("refuses one topic for several workflows", () => {
    const both = [appOf("one"), appOf("two")];
    assert.throws(() => backendOnAws(both, { ...choice, topicArn }, log), { code: "setting_invalid" });
    assert.equal(typeof backendOnAws(both, { ...choice, topicArn: undefined }, log), "function");
    assert.equal(typeof backendOnAws(appOf("one"), { ...choice, topicArn }, log), "function");
  });
});
