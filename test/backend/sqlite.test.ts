import { describe, test } from "node:test";
import { describeBackend } from "../../src/testing/backendContract.ts";
import { openForContract } from "./sqlite/support.ts";

describe("sqlite", { concurrency: 2 }, () => {
  describeBackend(test, "sqlite", { open: openForContract, survives: "crashing" });
});
