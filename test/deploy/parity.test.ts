import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { isDeepStrictEqual } from "node:util";
import type { SynthesizeOptions } from "../../src/deploy/cdk/synth.ts";
import { grantsOf } from "../../src/deploy/permissions.ts";
import type { Topology } from "../../src/deploy/topology.ts";
import { apps, type Resource, type Synthesized, synthesized, topologies } from "./support.ts";

// In every topology the template has queues, filters and sources for the definition's handled statuses. One status more
// adds one queue and the resources that belong to it.

interface Statement {
  readonly Action: string | readonly string[];
  readonly Resource: unknown;
}

interface Filter {
  readonly status: readonly (string | { readonly "anything-but": readonly string[] })[];
}

const listOf = (value: unknown) => [value].flat() as readonly string[];
const statusOfQueue = ({ queues }: Topology, name: string) => queues.find((queue) => queue.name === name)?.status;
const topologyIn = (made: Synthesized) => made.stacks[0]?.topology as Topology;

/** Gives each subscription's filter, by the queue that the subscription leads to. */
function filtersOf(made: Synthesized): Map<string, Filter> {
  return new Map(
    made.ofType("AWS::SNS::Subscription").map(({ Properties }) => {
      assert.equal(Properties.RawMessageDelivery, true);
      return [made.nameOf(Properties.Endpoint), Properties.FilterPolicy as Filter];
    }),
  );
}

describe("the template in each topology", { concurrency: 1 }, () => {
  const all = new Map<string, Promise<Synthesized>>();
  /** Synthesizes each template once, since bundling takes a second. */
  const make = (name: keyof typeof apps, options: Partial<SynthesizeOptions> = {}): Promise<Synthesized> => {
    const key = JSON.stringify([name, options]);
    const made = all.get(key) ?? synthesized({ access: "public", ...options, ...apps[name] });
    all.set(key, made);
    return made;
  };
  after(async () => {
    for (const made of all.values()) (await made).remove();
  });

  for (const { title, options } of topologies) {
    it(`has a queue, a filter, dead letters and a source for each handled status (${title})`, async () => {
      const made = await make("wider", options);
      const topology = topologyIn(made);
      const handled = ["received", "paid", "packed"];
      const suffix = options.delivery === "fifo" ? ".fifo" : "";
      const queues = handled.map((status) => `orders-${status}-dev${suffix}`);

      const queuesMade = made.ofType("AWS::SQS::Queue");
      const named = (name: string) => queuesMade.find(({ Properties }) => Properties.QueueName === name);
      assert.deepEqual(
        queuesMade.map(({ Properties }) => String(Properties.QueueName)).toSorted(),
        [
          ...queues,
          ...handled.map((status) => `orders-${status}-dead-dev${suffix}`),
          `orders-unrouted-dev${suffix}`,
        ].toSorted(),
      );
      for (const { Properties } of queuesMade) {
        assert.equal(Properties.MessageRetentionPeriod, 1_209_600);
        assert.equal(Properties.FifoQueue, options.delivery === "fifo" ? true : undefined);
      }
      for (const status of handled) {
        const { RedrivePolicy, VisibilityTimeout } = named(`orders-${status}-dev${suffix}`)?.Properties ?? {};
        const { deadLetterTargetArn, maxReceiveCount } = RedrivePolicy as Record<string, unknown>;
        const plan = topology.queues.find((queue) => queue.status === status);
        assert.deepEqual([VisibilityTimeout, maxReceiveCount], [plan?.visibilitySeconds, plan?.receivesMost]);
        assert.equal(made.nameOf(deadLetterTargetArn), `orders-${status}-dead-dev${suffix}`);
      }

      const filters = filtersOf(made);
      assert.deepEqual(filters.get(`orders-unrouted-dev${suffix}`), { status: [{ "anything-but": handled }] });
      filters.delete(`orders-unrouted-dev${suffix}`);
      assert.deepEqual(
        Object.fromEntries(filters),
        Object.fromEntries(handled.map((status, n) => [queues[n], { status: [status] }])),
      );

      const sources = made.ofType("AWS::Lambda::EventSourceMapping").map(({ Properties }) => {
        const status = statusOfQueue(topology, made.nameOf(Properties.EventSourceArn));
        assert.deepEqual(Properties.FunctionResponseTypes, ["ReportBatchItemFailures"]);
        const plan = topology.sources.find((source) => source.status === status);
        assert.deepEqual(
          [Properties.BatchSize, Properties.ScalingConfig],
          [plan?.batchSize, { MaximumConcurrency: plan?.concurrencyMost }],
        );
        return [status, made.nameOf(Properties.FunctionName)];
      });
      assert.deepEqual(
        made
          .ofType("AWS::Lambda::Function")
          .map(({ Properties }) => [Properties.FunctionName, Properties.Timeout, Properties.MemorySize]),
        topology.functions.map(({ name, timeoutSeconds, memoryMegabytes }) => [name, timeoutSeconds, memoryMegabytes]),
      );
      const functionOf = (status: string) =>
        topology.processors === "shared" ? "orders-processing-dev" : `orders-processing-${status}-dev`;
      assert.deepEqual(
        sources,
        topology.compute === "kubernetes" ? [] : handled.map((status) => [status, functionOf(status)]),
      );
    });

    it(`grants each role the calls of its process, on named resources (${title})`, async () => {
      const made = await make("shop", options);
      const topology = topologyIn(made);
      const names = topology.queues.map(({ name }) => name);
      const processes = [
        ...topology.functions.map(({ name, ...plan }) => ({ id: name.slice(7, -4), ...plan })),
        ...topology.pods.map(({ role, publishes }) => ({
          publishes,
          id: { api: "PodsApi", work: "PodsWork", sweeper: "PodsSweep" }[role],
          role,
          statuses: [],
        })),
      ];
      const policies = made.ofType("AWS::IAM::Policy");
      assert.equal(policies.length, processes.length);
      for (const { id, role, statuses, publishes } of processes) {
        const policy = policies.find((each) =>
          each.id.startsWith(`Cauce${id.startsWith("Pods") ? "" : "Role"}${id.replaceAll("-", "")}DefaultPolicy`),
        );
        const { Statement } = (policy as Resource).Properties.PolicyDocument as { Statement: Statement[] };
        const isOfLogs = ({ Action }: Statement) => listOf(Action).some((action) => action.startsWith("logs:"));
        assert.deepEqual(
          Statement.filter(isOfLogs).flatMap(({ Action }) => listOf(Action)),
          topology.compute === "kubernetes" ? [] : ["logs:CreateLogStream", "logs:PutLogEvents"],
        );
        const granted = Statement.filter((each) => !isOfLogs(each)).map(({ Action, Resource }) => ({
          actions: listOf(Action),
          resources: [Resource].flat().map((each) => {
            const { "Fn::Join": join } = each as { "Fn::Join"?: [string, [unknown, string]] };
            return join === undefined ? made.nameOf(each) : `${made.nameOf(join[1][0])}${join[1][1]}`;
          }),
        }));
        const own =
          role === "processing" ? topology.queues.filter(({ status }) => statuses.includes(status)) : undefined;
        const targets = {
          table: [topology.table],
          index: [`${topology.table}/index/standing`],
          topic: [topology.topic],
          queues: own?.map(({ name }) => name) ?? names,
          allQueues: names,
        };
        assert.deepEqual(
          granted,
          grantsOf({ role, publishes }, topology.delivery).map(({ target, actions }) => ({
            actions,
            resources: targets[target],
          })),
          id,
        );
      }
      for (const text of policies.map(({ Properties }) => JSON.stringify(Properties))) assert.doesNotMatch(text, /\*/);
    });

    it(`changes, with one status more, by the resources of that status alone (${title})`, async () => {
      const [before, after] = [await make("shop", options), await make("wider", options)];
      const find = (made: Synthesized, id: string) => made.resources.find((each) => each.id === id);
      assert.deepEqual(
        before.resources.filter(({ id }) => find(after, id) === undefined),
        [],
      );
      const added = after.resources.filter(({ id }) => find(before, id) === undefined);
      assert.deepEqual(
        added.filter(({ id }) => !id.includes("packed")).map(({ id }) => id),
        [],
      );
      const isNew = (Type: string) => added.filter((each) => each.Type === Type).length;
      const perStatus = topologyIn(after).functions.length > topologyIn(before).functions.length;
      const expected = {
        "AWS::SQS::Queue": 2,
        "AWS::SQS::QueuePolicy": 2,
        "AWS::SNS::Subscription": 1,
        "AWS::CloudWatch::Alarm": 3 + (perStatus ? 3 : 0),
        "AWS::Lambda::EventSourceMapping": topologyIn(after).compute === "lambda" ? 1 : 0,
        "AWS::Lambda::Function": perStatus ? 1 : 0,
        "AWS::IAM::Role": perStatus ? 1 : 0,
        "AWS::IAM::Policy": perStatus ? 1 : 0,
        "AWS::Logs::LogGroup": perStatus ? 1 : 0,
      };
      assert.deepEqual(Object.fromEntries(Object.keys(expected).map((type) => [type, isNew(type)])), expected);
      assert.equal(
        added.length,
        Object.values(expected).reduce((sum, count) => sum + count),
      );
      // Earlier resources change only for the new queue: the catch-all leaves out its status, the roles may use the
      // queue, and the dashboard shows it. (The functions' code holds the new definition.)
      const changed = before.resources.filter((each) => !isDeepStrictEqual(each, find(after, each.id)));
      const may = [/^CauceUnrouted/, /DefaultPolicy/, /^CauceDashboard/];
      assert.deepEqual(
        changed.filter(({ id }) => !may.some((pattern) => pattern.test(id))).map(({ id }) => id),
        [],
      );
      assert.ok(changed.some(({ id }) => id.startsWith("CauceUnrouted")));
    });
  }
});
