import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { indexName } from "../../src/backend/aws/item.ts";
import { grantsOf } from "../../src/deploy/permissions.ts";
import { topologyOf } from "../../src/deploy/topology.ts";
import { startEmulators } from "../backend/aws/emulators.ts";
import { app, type Role, record } from "./runs.ts";

// The roles are granted exactly the calls of their processes. The tests run every path and record each call.

/** The calls that an event source mapping makes with the function's role (AWS's documentation). */
const ofEventSources = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"];

describe("the grants", { concurrency: 1 }, () => {
  let emulators: { stop(): Promise<void> };
  before(async () => {
    emulators = await startEmulators();
  });
  after(() => emulators.stop());

  it("are the same for a process that publishes nothing, without the topic", () => {
    for (const role of ["request", "processing", "sweep", "api", "work", "sweeper"] as const) {
      const all = grantsOf({ role, publishes: true }, "standard");
      assert.ok(
        all.some(({ target }) => target === "topic"),
        role,
      );
      assert.deepEqual(
        grantsOf({ role, publishes: false }, "standard"),
        all.filter(({ target }) => target !== "topic"),
      );
    }
  });

  for (const delivery of ["standard", "fifo"] as const) {
    it(`are the calls that every path makes, and no others (${delivery})`, async (t) => {
      const stage = delivery === "standard" ? "grantss" : "grantsf";
      const { table, topic, queues } = topologyOf(app.workflow, { stage, delivery });
      const targets = new Map([
        [table, "table"],
        [`${table}/${indexName}`, "index"],
        [topic, "topic"],
        ...queues.map(({ name }) => [name, "queues"] as const),
      ]);
      const { asked: recorded, askedByStatus } = await record(t, delivery, stage);
      for (const [role, asked] of Object.entries(recorded) as [Role, (typeof recorded)[Role]][]) {
        const used = new Set(asked.map(({ action, resource }) => `${action} on ${targets.get(resource) ?? resource}`));
        if (role === "processing") for (const action of ofEventSources) used.add(`${action} on queues`);
        const grants = grantsOf({ role, publishes: true }, delivery).map(({ target, actions }) => ({
          target: target === "allQueues" ? "queues" : target,
          actions,
        }));
        const granted = grants.flatMap(({ target, actions }) => actions.map((action) => `${action} on ${target}`));
        assert.deepEqual(granted.toSorted(), [...used].toSorted(), role);
        for (const resource of targets.keys()) {
          const isGranted = grants.some(({ target }) => target === targets.get(resource));
          assert.equal(
            isGranted,
            asked.some((each) => each.resource === resource),
            `${role}: ${resource}`,
          );
        }
      }
      // On other statuses' queues, a function for one status makes exactly the calls that it is granted on all queues.
      const others = queues.flatMap(({ status, name: own }) =>
        (askedByStatus.get(status) ?? [])
          .filter(({ resource }) => targets.get(resource) === "queues" && resource !== own)
          .map(({ action }) => action),
      );
      const onAll = grantsOf({ role: "processing", publishes: true }, delivery).filter(
        ({ target }) => target === "allQueues",
      );
      assert.deepEqual(onAll.flatMap(({ actions }) => actions).toSorted(), [...new Set(others)].toSorted());
    });
  }
});
