import { Duration } from "aws-cdk-lib";
import * as cloudwatch from "aws-cdk-lib/aws-cloudwatch";
import { SnsAction } from "aws-cdk-lib/aws-cloudwatch-actions";
import type { Function as Lambda } from "aws-cdk-lib/aws-lambda";
import { Topic } from "aws-cdk-lib/aws-sns";
import type { Queue } from "aws-cdk-lib/aws-sqs";
import type { Construct } from "constructs";
import { type StackResources, shortNameOf } from "./compute.ts";

/** Of the 120,000 messages that a queue may have in flight. */
const inFlightAlarm = 100_000;
const oldestAlarmSeconds = 3_600;
const period = Duration.minutes(1);

const max = { period, statistic: "max" };
const sum = { period, statistic: "sum" };
const visible = (queue: Queue) => queue.metricApproximateNumberOfMessagesVisible(max);
const oldest = (queue: Queue) => queue.metricApproximateAgeOfOldestMessage(max);
const inFlight = (queue: Queue) => queue.metricApproximateNumberOfMessagesNotVisible(max);

interface Monitored extends Pick<StackResources, "topology" | "messaging"> {
  readonly functions: ReadonlyMap<string, Lambda>;
  /** The topic that the alarms tell. */
  readonly alarmTopicArn: string | undefined;
}

/** Adds an alarm for each thing that an operator must see to (docs/operating-on-aws.md), and a page of graphs. */
export function addMonitoring(scope: Construct, monitored: Monitored): readonly cloudwatch.Alarm[] {
  const { workflow, stage } = monitored.topology;
  const alarms = alarmsOf(monitored).map(
    ([what, metric, threshold, evaluationPeriods, alarmDescription]) =>
      new cloudwatch.Alarm(scope, `Alarm-${what}`, {
        alarmName: `${workflow}-${what}-${stage}`,
        ...{ alarmDescription, metric, threshold, evaluationPeriods },
        comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
        treatMissingData: cloudwatch.TreatMissingData.NOT_BREACHING,
      }),
  );
  if (monitored.alarmTopicArn !== undefined) {
    const tell = new SnsAction(Topic.fromTopicArn(scope, "AlarmTopic", monitored.alarmTopicArn));
    for (const alarm of alarms) {
      alarm.addAlarmAction(tell);
      alarm.addOkAction(tell);
    }
  }
  const graphs = graphsOf(monitored).map(([title, left]) => new cloudwatch.GraphWidget({ title, left, width: 12 }));
  new cloudwatch.Dashboard(scope, "Dashboard", { dashboardName: `${workflow}-${stage}`, widgets: [graphs] });
  return alarms;
}

type AlarmPlan = readonly [what: string, metric: cloudwatch.IMetric, above: number, periods: number, says: string];

function alarmsOf({ topology, messaging, functions }: Monitored): AlarmPlan[] {
  const ofQueues = [...messaging.queues].flatMap(([status, { queue, deadLetters }]): AlarmPlan[] => [
    [`dead-${status}`, visible(deadLetters), 0, 1, `Messages of ${status} were received too often without an end.`],
    [`oldest-${status}`, oldest(queue), oldestAlarmSeconds, 5, `Orders wait in ${status} for more than an hour.`],
    [`inFlight-${status}`, inFlight(queue), inFlightAlarm, 1, `The queue of ${status} nears its limit in flight.`],
  ]);
  const ofFunctions = [...functions].flatMap(([name, lambda]): AlarmPlan[] => {
    const what = shortNameOf(name, topology);
    const dropped = new cloudwatch.Metric({
      namespace: "AWS/Lambda",
      metricName: "RecursiveInvocationsDropped",
      dimensionsMap: { FunctionName: name },
      ...sum,
    });
    const recursion = `AWS took the transitions of ${name} for a loop and dropped messages.`;
    return [
      [`errors-${what}`, lambda.metricErrors({ period }), 0, 3, `The function ${name} fails.`],
      [`throttles-${what}`, lambda.metricThrottles({ period }), 0, 3, `The account has no room for ${name}.`],
      ...(what.startsWith("processing") ? [[`recursion-${what}`, dropped, 0, 1, recursion] as const] : []),
    ];
  });
  const undelivered = messaging.topic.metricNumberOfNotificationsFailed(sum);
  return [
    ...ofQueues,
    ["unrouted", visible(messaging.unrouted), 0, 1, "A message's status has no queue."],
    ["undelivered", undelivered, 0, 1, "The topic could not put a message into a queue."],
    ...ofFunctions,
  ];
}

/** The graphs of the dashboard, which shows two of them in a row. */
function graphsOf({ messaging, functions }: Monitored): (readonly [title: string, metrics: cloudwatch.IMetric[]])[] {
  const pairs = [...messaging.queues.values()];
  const queues = pairs.map(({ queue }) => queue);
  const dead = [...pairs.map(({ deadLetters }) => deadLetters), messaging.unrouted];
  const lambdas = [...functions.values()];
  const ofQueues = [
    ["Waiting in the queues", queues.map(visible)],
    ["Age of the oldest message, seconds", queues.map(oldest)],
    ["In flight", queues.map(inFlight)],
    ["Dead letters and unrouted", dead.map(visible)],
  ] as const;
  if (lambdas.length === 0) return [...ofQueues];
  return [
    ...ofQueues,
    ["Invocations", lambdas.map((each) => each.metricInvocations({ period }))],
    ["Duration, milliseconds", lambdas.map((each) => each.metricDuration({ period, statistic: "p99" }))],
    ["Errors", lambdas.map((each) => each.metricErrors({ period }))],
    ["Throttles", lambdas.map((each) => each.metricThrottles({ period }))],
  ];
}
