import assert from "node:assert/strict";
import { test } from "node:test";
import { memory } from "../../src/backend/memory/memory.ts";
import { final } from "../../src/core/workflow.ts";
import { createStanding } from "../../src/engine/queues.ts";
import { keptLog, refused, taken, workflowOf } from "./support.ts";

const statuses = { received: { to: ["done"] }, parked: { to: ["done"], waits: true }, done: final } as const;

test("a handled status can be paused and resumed, and other statuses are refused", async (t) => {
  const backend = memory();
  t.after(() => backend.close());
  const { log } = keptLog();
  const standing = createStanding({ workflow: workflowOf(statuses), backend, log });
  assert.equal(taken(await standing.setPaused("received", true)).paused, true);
  assert.equal(taken(await standing.setPaused("received", false)).paused, false);
  refused(await standing.setPaused("parked", true), "status_not_handled");
  refused(await standing.setPaused("parked", false), "status_not_handled");
  refused(await standing.setPaused("nope", true), "status_not_found");
  refused(await standing.setPaused("nope", false), "status_not_found");
});

test("a pause of a status that left the definition can be lifted, and not set again", async (t) => {
  const backend = memory();
  t.after(() => backend.close());
  await backend.keep({ is: "paused", status: "gone", paused: true });
  const { log } = keptLog();
  const standing = createStanding({ workflow: workflowOf(statuses), backend, log });
  assert.equal((await standing.queues()).find(({ status }) => status === "gone")?.paused, true);
  refused(await standing.setPaused("gone", true), "status_not_found");
  assert.equal(taken(await standing.setPaused("gone", false)).paused, false);
  assert.equal(
    (await standing.queues()).some(({ status }) => status === "gone"),
    false,
  );
  refused(await standing.setPaused("gone", false), "status_not_found");
});
