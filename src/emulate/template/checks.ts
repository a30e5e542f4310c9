import { existsSync } from "node:fs";
import { join } from "node:path";
import { bundleFile } from "../../deploy/topology.ts";
import { invalid } from "./intrinsics.ts";
import { nameOfArn } from "./references.ts";
import type {
  FunctionResource,
  QueueResource,
  SourceResource,
  Stack,
  Statement,
  SubscriptionResource,
} from "./stack.ts";

const fifoBatchMax = 10;
const fifoEnd = ".fifo";

/**
 * Refuses stacks that the emulators take and AWS does not, and stacks that would lose messages on AWS without an error.
 * Throws `template_invalid` with one line, which names the resource by its id in the template.
 */
export function checkStacks(stacks: readonly Stack[]): void {
  const topics = stacks.flatMap((stack) => stack.topics);
  const queues = stacks.flatMap((stack) => stack.queues);
  const functions = stacks.flatMap((stack) => stack.functions);
  const all = { topics, queues, functions };
  for (const resources of [stacks.flatMap(({ tables }) => tables), topics, queues, functions]) checkNames(resources);
  for (const named of [...topics, ...queues]) checkKind(named);
  for (const queue of queues) checkRedrive(queue, all);
  for (const plan of functions) checkCode(plan);
  const checkFunction = (id: string, name: string, what: string): void => {
    if (functions.every((each) => each.name !== name))
      throw invalid(id, `${what} the function ${name}, which is not there`);
  };
  for (const { subscriptions, sources, schedules, apis } of stacks) {
    for (const subscription of subscriptions) checkSubscription(subscription, all);
    for (const source of sources) checkSource(source, all);
    for (const { id, function: name } of schedules) checkFunction(id, name, "it calls");
    for (const { id, routes } of apis) {
      for (const { key, function: name } of routes) checkFunction(id, name, `its route ${key} leads to`);
    }
  }
}

/** The resources of all stacks that others refer to. */
type Targets = Pick<Stack, "topics" | "queues" | "functions">;

function checkNames(resources: readonly Pick<QueueResource, "id" | "name">[]): void {
  for (const [index, { id, name }] of resources.entries()) {
    const other = resources.slice(0, index).find((each) => each.name === name);
    if (other !== undefined) throw invalid(id, `it is named ${name}, as ${other.id} is; give each a name of its own`);
  }
}

function checkKind({ id, name, fifo }: Pick<QueueResource, "id" | "name" | "fifo">): void {
  if (name.endsWith(fifoEnd) === fifo) return;
  throw invalid(id, fifo ? `it is FIFO, and ${name} must end in ${fifoEnd}` : `${name} must be FIFO to be named so`);
}

function checkRedrive({ id, fifo, redrive }: QueueResource, { queues }: Targets): void {
  if (redrive === undefined) return;
  const { deadLettersArn, receivesMax } = redrive;
  const target = queues.find(({ arn }) => arn === deadLettersArn);
  if (target === undefined) {
    throw invalid(id, `its dead letters go to ${nameOfArn(deadLettersArn)}, which is not there`);
  }
  if (target.fifo !== fifo) {
    throw invalid(id, `its dead letters go to ${target.name}; both must be FIFO, or both standard`);
  }
  if (!(Number.isInteger(receivesMax) && receivesMax >= 1 && receivesMax <= 1_000)) {
    throw invalid(id, `its maxReceiveCount is ${receivesMax}; it must be from 1 to 1000`);
  }
}

function checkSubscription(subscription: SubscriptionResource, { topics, queues }: Targets): void {
  const { id, topicArn, protocol, endpoint, raw, filter } = subscription;
  const topic = topics.find(({ arn }) => arn === topicArn);
  if (topic === undefined) throw invalid(id, `its topic ${nameOfArn(topicArn)} is not there`);
  if (protocol !== "sqs") throw invalid(id, `its protocol is ${protocol}, and cauce emulate knows only sqs`);
  const queue = queues.find(({ arn }) => arn === endpoint);
  if (queue === undefined) throw invalid(id, `its queue ${nameOfArn(endpoint)} is not there`);
  // AWS lets a FIFO topic feed a standard queue. That queue would keep no order.
  if (queue.fifo !== topic.fifo) {
    throw invalid(id, `${topic.name} and ${queue.name} must both be FIFO, or both standard`);
  }
  if (!raw) throw invalid(id, "RawMessageDelivery is not true, and the functions read no envelopes of SNS");
  if (!queue.statements.some((statement) => letsSend(statement, topicArn, queue.arn))) {
    throw invalid(id, `no policy of ${queue.name} lets ${topic.name} send to it`);
  }
  checkFilter(id, filter);
}

function letsSend({ Effect, Action, Resource, Principal, Condition = {} }: Statement, topic: string, queue: string) {
  const has = (given: string | readonly string[] | undefined, ...wanted: string[]) =>
    [given ?? []].flat().some((each) => wanted.includes(each));
  const service = (Principal as { readonly Service?: string | readonly string[] } | undefined)?.Service;
  const sources = Object.values(Condition).flatMap((each) => [each["aws:SourceArn"] ?? []].flat());
  return (
    Effect === "Allow" &&
    has(service, "sns.amazonaws.com") &&
    has(Action, "sqs:SendMessage", "sqs:*") &&
    has(Resource, queue, "*") &&
    (sources.length === 0 || sources.includes(topic))
  );
}

/** The only attribute of a message. Its value is text. */
const attribute = "status";
const operators = ["anything-but", "prefix", "suffix", "equals-ignore-case", "exists"];

function checkFilter(id: string, filter: unknown): void {
  if (typeof filter !== "object" || filter === null || Array.isArray(filter)) {
    throw invalid(id, `its filter policy must be an object, and is ${JSON.stringify(filter)}`);
  }
  const names = Object.keys(filter);
  const other = names.find((name) => name !== attribute);
  if (other !== undefined) throw invalid(id, `its filter asks for "${other}", which no message has`);
  const conditions = (filter as Readonly<Record<string, unknown>>)[attribute];
  if (!Array.isArray(conditions) || conditions.length === 0) {
    throw invalid(id, `its filter for "${attribute}" must be a list with something in it, or no message passes`);
  }
  for (const condition of conditions as readonly unknown[]) {
    if (typeof condition === "string") {
      if (condition === "") throw invalid(id, `its filter asks for an empty "${attribute}", which no message has`);
      continue;
    }
    const [operator = "", ...more] = typeof condition === "object" && condition !== null ? Object.keys(condition) : [];
    if (more.length > 0 || !operators.includes(operator)) {
      throw invalid(
        id,
        `its filter has ${JSON.stringify(condition)}, which matches no text; write text or an operator`,
      );
    }
    if (operator === "exists" && (condition as { readonly exists: unknown }).exists !== true) {
      throw invalid(id, `its filter asks for messages without "${attribute}", and there are none`);
    }
  }
}

function checkCode({ id, directory, handler }: FunctionResource): void {
  if (directory === undefined) throw invalid(id, "its code is no asset of the assembly");
  const file = join(directory, bundleFile);
  if (!existsSync(file)) throw invalid(id, `its code ${file} is not there; synthesize again`);
  if (handler.split(".")[0] !== bundleFile.split(".")[0]) {
    throw invalid(id, `its handler ${handler} is not in ${bundleFile}`);
  }
}

function checkSource(source: SourceResource, { queues, functions }: Targets): void {
  const { id, queueArn, function: name, batchSize, windowSeconds, partial } = source;
  const queue = queues.find(({ arn }) => arn === queueArn);
  if (queue === undefined) throw invalid(id, `its queue ${nameOfArn(queueArn)} is not there`);
  const called = functions.find((each) => each.name === name);
  if (called === undefined) throw invalid(id, `its function ${name} is not there`);
  if (queue.visibilitySeconds < called.timeoutSeconds) {
    throw invalid(
      id,
      `${queue.name} hides messages for ${queue.visibilitySeconds} s, and ${name} may run for ${called.timeoutSeconds} s; the queue must hide them as long`,
    );
  }
  if (queue.fifo && batchSize > fifoBatchMax) {
    throw invalid(id, `its batch size is ${batchSize}, and a FIFO queue's is ${fifoBatchMax} at most`);
  }
  if (queue.fifo && windowSeconds > 0) throw invalid(id, "a FIFO queue has no batching window");
  if (batchSize > 10 && windowSeconds === 0) {
    throw invalid(id, `its batch size is ${batchSize}, and above 10 it needs a batching window of a second or more`);
  }
  if (!partial)
    throw invalid(id, "it lacks ReportBatchItemFailures, so Lambda would delete messages that are not done");
}
