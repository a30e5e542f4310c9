import assert from "node:assert/strict";
import { test } from "node:test";
import { memory } from "../../src/backend/memory/memory.ts";
import { final } from "../../src/core/workflow.ts";
import { createQueues } from "../../src/engine/queues.ts";
import { fakeClock } from "../../src/testing/fakeClock.ts";
import { contextOf, refused, taken, workflowOf } from "./support.ts";

const statuses = { received: { to: ["done"] }, parked: { to: ["done"], waits: true }, done: final } as const;

test("a handled status can be paused and resumed, and other statuses are refused", async (t) => {
  const backend = memory();
  t.after(() => backend.close());
  const queues = createQueues(contextOf({ workflow: workflowOf(statuses), backend, clock: fakeClock() }));
  assert.equal(taken(await queues.setPaused("received", true)).paused, true);
  assert.equal(taken(await queues.setPaused("received", false)).paused, false);
  refused(await queues.setPaused("parked", true), "status_not_handled");
  refused(await queues.setPaused("parked", false), "status_not_handled");
  refused(await queues.setPaused("nope", true), "status_not_found");
  refused(await queues.setPaused("nope", false), "status_not_found");
});

test("a pause of a status that left the definition can be lifted, and not set again", async (t) => {
  const backend = memory();
  t.after(() => backend.close());
  await backend.keep({ is: "paused", status: "gone", paused: true });
  const queues = createQueues(contextOf({ workflow: workflowOf(statuses), backend, clock: fakeClock() }));
  assert.equal((await queues.queues()).find(({ status }) => status === "gone")?.paused, true);
  refused(await queues.setPaused("gone", true), "status_not_found");
  assert.equal(taken(await queues.setPaused("gone", false)).paused, false);
  assert.equal(
    (await queues.queues()).some(({ status }) => status === "gone"),
    false,
  );
  refused(await queues.setPaused("gone", false), "status_not_found");
});
