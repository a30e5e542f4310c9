import { describe, test } from "node:test";
import { describeBackend } from "../../src/testing/backendContract.ts";
import { openForContract } from "./sqlite/support.ts";

// Patience for a machine that is busy: nothing is missing for ever.
describe("sqlite", { concurrency: 2 }, () => {
  describeBackend(test, "sqlite", { open: openForContract, survives: "crashing", patienceSeconds: 600 });
});
