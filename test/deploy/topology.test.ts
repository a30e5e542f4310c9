import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { z } from "zod";
import { type TopologyOptions, topologyOf } from "../../src/deploy/topology.ts";
import { defineWorkflow, final } from "../../src/index.ts";

const workflow = defineWorkflow({
  name: "orders",
  data: z.object({}),
  initial: "received",
  statuses: {
    received: { to: ["review", "paid"], timeoutSeconds: 10, concurrency: 25 },
    review: { to: ["paid"], waits: true },
    paid: { to: ["shipped"], timeoutSeconds: 200, retry: { attempts: 8 } },
    shipped: final,
  },
});

describe("the topology", () => {
  it("has a queue, a filter and a source for each handled status, in every shape", () => {
    for (const delivery of ["standard", "fifo"] as const) {
      for (const processors of ["shared", "per-status"] as const) {
        const topology = topologyOf(workflow, { delivery, processors });
        const of = (each: readonly { status: string }[]) => each.map(({ status }) => status);
        assert.deepEqual(of(topology.queues), ["received", "paid"]);
        assert.deepEqual(of(topology.sources), ["received", "paid"]);
        assert.deepEqual(
          topology.queues.map(({ filter }) => filter),
          [{ status: ["received"] }, { status: ["paid"] }],
        );
        assert.deepEqual(topology.unrouted.filter, { status: [{ "anything-but": ["received", "paid"] }] });
        assert.deepEqual(
          topology.functions.flatMap(({ statuses }) => statuses),
          ["received", "paid"],
        );
      }
    }
  });

  it("names everything by one pattern", () => {
    const { table, topic, queues, functions, unrouted } = topologyOf(workflow, { delivery: "fifo" });
    assert.deepEqual(
      [table, topic, unrouted.name, ...queues.flatMap(({ name, deadLetters }) => [name, deadLetters])],
      [
        "orders-table-dev",
        "orders-topic-dev.fifo",
        "orders-unrouted-dev.fifo",
        "orders-received-dev.fifo",
        "orders-received-dead-dev.fifo",
        "orders-paid-dev.fifo",
        "orders-paid-dead-dev.fifo",
      ],
    );
    assert.deepEqual(
      functions.map(({ name }) => name),
      ["orders-request-dev", "orders-processing-dev", "orders-sweep-dev"],
    );
    assert.deepEqual(
      topologyOf(workflow, { stage: "prod", processors: "per-status" }).functions.map(({ name }) => name),
      ["orders-request-prod", "orders-processing-received-prod", "orders-processing-paid-prod", "orders-sweep-prod"],
    );
  });

  it("takes visibility times, receive counts and concurrency from the workflow", () => {
    const shared = topologyOf(workflow);
    assert.deepEqual(
      shared.queues.map(({ visibilitySeconds }) => visibilitySeconds),
      // The first is as long as the timeout of the function that both statuses share.
      [220, 1_200],
    );
    assert.deepEqual(
      topologyOf(workflow, { processors: "per-status" }).queues.map(({ visibilitySeconds }) => visibilitySeconds),
      [60, 1_200],
    );
    assert.deepEqual(
      shared.queues.map(({ receivesMost }) => receivesMost),
      [56, 59],
    );
    assert.deepEqual(
      topologyOf(workflow, { delivery: "fifo" }).queues.map(({ receivesMost }) => receivesMost),
      [1_000, 1_000],
    );
    assert.deepEqual(
      shared.sources.map(({ batchSize, concurrencyMost }) => [batchSize, concurrencyMost]),
      [
        [10, 2],
        [10, 10],
      ],
    );
  });

  it("plans a process for each duty, and one for each status that has a function of its own", () => {
    const of = (options: TopologyOptions) =>
      topologyOf(workflow, options).processes.map(({ name, duty, statuses, timeoutSeconds, slots, processesMax }) => [
        ...[name, duty, statuses.join(), timeoutSeconds, slots, processesMax],
      ]);
    assert.deepEqual(of({}), [
      ["orders-request-dev", "serve", "", 30, 0, undefined],
      ["orders-processing-dev", "work", "received,paid", 220, 10, 12],
      ["orders-sweep-dev", "maintain", "", 900, 0, 1],
    ]);
    assert.deepEqual(of({ processors: "per-status" }).slice(1, 3), [
      ["orders-processing-received-dev", "work", "received", 30, 10, 2],
      ["orders-processing-paid-dev", "work", "paid", 220, 10, 10],
    ]);
    assert.deepEqual(of({ compute: "kubernetes", processors: "per-status" }), [
      ["orders-api-dev", "serve", "", 30, 0, undefined],
      ["orders-work-dev", "work", "received,paid", 220, 125, 1],
      ["orders-sweeper-dev", "maintain", "", 900, 0, 1],
    ]);
  });

  it("renders the plan as functions with their event sources, or as pods", () => {
    const { processes, functions, pods, sources } = topologyOf(workflow, { processors: "per-status" });
    assert.deepEqual(
      functions,
      processes.map((each) => ({
        ...each,
        role: { serve: "request", work: "processing", maintain: "sweep" }[each.duty],
      })),
    );
    assert.deepEqual(pods, []);
    for (const { slots, processesMax, statuses, name, duty } of processes) {
      const own = sources.filter((source) => source.function === name);
      assert.deepEqual(
        own.map(({ status, batchSize, concurrencyMost }) => [status, batchSize, concurrencyMost]),
        duty === "work" ? statuses.map((status) => [status, slots, processesMax]) : [],
      );
    }
    const inPods = topologyOf(workflow, { compute: "kubernetes" });
    assert.deepEqual(
      inPods.pods.map(({ role, ...process }) => process),
      inPods.processes,
    );
    assert.deepEqual(
      inPods.pods.map(({ role }) => role),
      ["api", "work", "sweeper"],
    );
  });

  it("leaves the request function its share of the account", () => {
    const of = (accountConcurrency: number) =>
      topologyOf(workflow, { accountConcurrency }).sources.map(({ concurrencyMost }) => concurrencyMost);
    assert.deepEqual(of(1_000), [2, 10]);
    assert.deepEqual(of(10), [2, 5]);
    assert.throws(() => of(5), { code: "setting_invalid" });
  });

  it("lets only processes publish that may move an order into a handled status", () => {
    const publishing = (of: typeof workflow | typeof returning) =>
      topologyOf(of, { processors: "per-status" }).functions.flatMap(({ name, publishes }) =>
        publishes ? [name] : [],
      );
    const returning = defineWorkflow({
      name: "returns",
      data: z.object({}),
      initial: "asked",
      statuses: {
        asked: { to: ["checked"], waits: true, expires: { afterSeconds: 60, to: "checked" } },
        checked: { to: ["closed"], exhausted: "looked" },
        looked: { to: ["closed"] },
        closed: final,
      },
    });
    assert.deepEqual(publishing(workflow), ["orders-request-dev", "orders-processing-received-dev"]);
    assert.deepEqual(publishing(returning), [
      "returns-request-dev",
      "returns-processing-checked-dev",
      "returns-sweep-dev",
    ]);
  });

  it("has no functions where pods run the handlers", () => {
    const topology = topologyOf(workflow, { compute: "kubernetes" });
    assert.deepEqual([topology.functions, topology.sources], [[], []]);
    assert.deepEqual(
      topology.queues.map(({ visibilitySeconds }) => visibilitySeconds),
      [60, 1_200],
    );
  });

  it("refuses what AWS would refuse: equal or too long names, and a handler that outlasts a function", () => {
    const with_ = (name: string, status: string, timeoutSeconds = 30, concurrency = 10) =>
      defineWorkflow({
        name,
        data: z.object({}),
        initial: status,
        statuses: { [status]: { to: ["done"], timeoutSeconds, concurrency }, done: final },
      });
    assert.throws(() => topologyOf(with_("orders", "unrouted")), /two queues would be called orders-unrouted-dev/);
    const long = "a".repeat(40);
    assert.throws(() => topologyOf(with_(long, long)), /AWS takes 80/);
    assert.throws(() => topologyOf(with_("orders", "paid", 890)), /timeoutSeconds to 880 at most/);
    assert.equal(topologyOf(with_("orders", "paid", 890), { compute: "kubernetes" }).functions.length, 0);
    const pods = { compute: "kubernetes" } as const;
    assert.throws(() => topologyOf(with_("orders", "paid", 7_201), pods), /hidden for 43206 s and SQS takes 43200/);
    assert.throws(() => topologyOf(with_("orders", "paid", 30, 1_001), pods), /AWS gives 2 to 1000/);
    assert.throws(() => topologyOf(with_("orders", "paid", 30, 1)), /concurrency of "paid" is 1/);
    const waiting = defineWorkflow({
      name: "orders",
      data: z.object({}),
      initial: "asked",
      statuses: { asked: { to: ["done"], waits: true }, done: final },
    });
    assert.throws(() => topologyOf(waiting), /no status is handled/);
    assert.throws(() => topologyOf(workflow, { stage: "Prod/1" }), /the stage is "Prod\/1"/);
  });
});
