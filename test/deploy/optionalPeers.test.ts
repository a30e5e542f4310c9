import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { withPeers } from "../../src/deploy/optionalPeers.ts";

describe("optional packages", () => {
  it("are asked for by name where one is missing, all that are needed at once", async () => {
    const missing = "cauce-has-no-such-package";
    await assert.rejects(
      withPeers("cauce synth", ["other", missing], () => import(missing)),
      {
        code: "package_missing",
        message: `cauce synth needs ${missing}, which is not installed; run npm install other ${missing}`,
      },
    );
  });

  it("fail with their own error where they fail for another reason", async () => {
    const fault = new Error("broken inside");
    await assert.rejects(
      withPeers("cauce synth", ["zod"], () => Promise.reject(fault)),
      fault,
    );
    await assert.rejects(
      withPeers("cauce synth", ["zod"], () => import("cauce-has-no-such-package" as string)),
      {
        code: "ERR_MODULE_NOT_FOUND",
      },
    );
  });
});
