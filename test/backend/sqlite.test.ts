import { describe, test } from "node:test";
import { describeBackend } from "../../src/testing/backendContract.ts";
import { openForContract } from "./sqlite/support.ts";

// The patience is for a busy machine. A case waits so long only for a delivery that never comes.
describe("sqlite", { concurrency: 2 }, () => {
  describeBackend(test, "sqlite", { open: openForContract, survives: "crashing", patienceSeconds: 600 });
});
