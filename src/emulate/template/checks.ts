import { existsSync } from "node:fs";
import { join } from "node:path";
import { batchMax, receivesMax } from "../../backend/aws/quotas.ts";
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
  const isFunction = (name: string) => functions.some((each) => each.name === name);
  for (const { subscriptions, sources, schedules, apis } of stacks) {
    for (const subscription of subscriptions) checkSubscription(subscription, all);
    for (const source of sources) checkSource(source, all);
    for (const { id, function: name } of schedules) {
      check(isFunction(name), id, `it calls the function ${name}, which is not there`);
    }
    for (const { id, routes } of apis) {
      for (const { key, function: name } of routes) {
        check(isFunction(name), id, `its route ${key} leads to the function ${name}, which is not there`);
      }
    }
  }
}

function check(holds: unknown, id: string, fault: string): asserts holds {
  if (!holds) throw invalid(id, fault);
}

/** The resources of all stacks that others refer to. */
type Targets = Pick<Stack, "topics" | "queues" | "functions">;

function checkNames(resources: readonly Pick<QueueResource, "id" | "name">[]): void {
  for (const [index, { id, name }] of resources.entries()) {
    const other = resources.slice(0, index).find((each) => each.name === name);
    check(other === undefined, id, `it is named ${name}, as ${other?.id} is; give each a name of its own`);
  }
}

function checkKind({ id, name, fifo }: Pick<QueueResource, "id" | "name" | "fifo">): void {
  check(!fifo || name.endsWith(fifoEnd), id, `it is FIFO, and ${name} must end in ${fifoEnd}`);
  check(fifo || !name.endsWith(fifoEnd), id, `${name} must be FIFO to be named so`);
}

function checkRedrive({ id, fifo, redrive }: QueueResource, { queues }: Targets): void {
  if (redrive === undefined) return;
  const { deadLettersArn, receivesMax: count } = redrive;
  const target = queues.find(({ arn }) => arn === deadLettersArn);
  check(target, id, `its dead letters go to ${nameOfArn(deadLettersArn)}, which is not there`);
  check(target.fifo === fifo, id, `its dead letters go to ${target.name}; both must be FIFO, or both standard`);
  const isCount = Number.isInteger(count) && count >= 1 && count <= receivesMax;
  check(isCount, id, `its maxReceiveCount is ${count}; it must be from 1 to ${receivesMax}`);
}

function checkSubscription(subscription: SubscriptionResource, { topics, queues }: Targets): void {
  const { id, topicArn, protocol, endpoint, raw, filter } = subscription;
  const topic = topics.find(({ arn }) => arn === topicArn);
  check(topic, id, `its topic ${nameOfArn(topicArn)} is not there`);
  check(protocol === "sqs", id, `its protocol is ${protocol}, and cauce emulate knows only sqs`);
  const queue = queues.find(({ arn }) => arn === endpoint);
  check(queue, id, `its queue ${nameOfArn(endpoint)} is not there`);
  // AWS lets a FIFO topic feed a standard queue. That queue would keep no order.
  check(queue.fifo === topic.fifo, id, `${topic.name} and ${queue.name} must both be FIFO, or both standard`);
  check(raw, id, "RawMessageDelivery is not true, and the functions read no envelopes of SNS");
  const isAllowed = queue.statements.some((statement) => letsSend(statement, topicArn, queue.arn));
  check(isAllowed, id, `no policy of ${queue.name} lets ${topic.name} send to it`);
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
  check(isObject(filter), id, `its filter policy must be an object, and is ${JSON.stringify(filter)}`);
  const other = Object.keys(filter).find((name) => name !== attribute);
  check(other === undefined, id, `its filter asks for "${other}", which no message has`);
  const { [attribute]: conditions } = filter;
  const isFilled = Array.isArray(conditions) && conditions.length > 0;
  check(isFilled, id, `its filter for "${attribute}" must be a list with something in it, or no message passes`);
  for (const condition of conditions as readonly unknown[]) {
    check(condition !== "", id, `its filter asks for an empty "${attribute}", which no message has`);
    if (typeof condition === "string") continue;
    const [operator = "", ...more] = isObject(condition) ? Object.keys(condition) : [];
    const isKnown = more.length === 0 && operators.includes(operator);
    check(isKnown, id, `its filter has ${JSON.stringify(condition)}, which matches no text; write text or an operator`);
    const asksForAbsence = operator === "exists" && (condition as { readonly exists: unknown }).exists !== true;
    check(!asksForAbsence, id, `its filter asks for messages without "${attribute}", and there are none`);
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function checkCode({ id, directory, handler }: FunctionResource): void {
  check(directory !== undefined, id, "its code is no asset of the assembly");
  const file = join(directory, bundleFile);
  check(existsSync(file), id, `its code ${file} is not there; synthesize again`);
  const isInBundle = handler.split(".")[0] === bundleFile.split(".")[0];
  check(isInBundle, id, `its handler ${handler} is not in ${bundleFile}`);
}

function checkSource(source: SourceResource, { queues, functions }: Targets): void {
  const { id, queueArn, function: name, batchSize, windowSeconds, partial } = source;
  const queue = queues.find(({ arn }) => arn === queueArn);
  check(queue, id, `its queue ${nameOfArn(queueArn)} is not there`);
  const called = functions.find((each) => each.name === name);
  check(called, id, `its function ${name} is not there`);
  check(
    queue.visibilitySeconds >= called.timeoutSeconds,
    id,
    `${queue.name} hides messages for ${queue.visibilitySeconds} s, and ${name} may run for ${called.timeoutSeconds} s; the queue must hide them as long`,
  );
  const isBatch = !queue.fifo || batchSize <= batchMax;
  check(isBatch, id, `its batch size is ${batchSize}, and a FIFO queue's is ${batchMax} at most`);
  check(!queue.fifo || windowSeconds <= 0, id, "a FIFO queue has no batching window");
  const hasWindow = batchSize <= batchMax || windowSeconds !== 0;
  check(
    hasWindow,
    id,
    `its batch size is ${batchSize}, and above ${batchMax} it needs a batching window of a second or more`,
  );
  check(partial, id, "it lacks ReportBatchItemFailures, so Lambda would delete messages that are not done");
}
