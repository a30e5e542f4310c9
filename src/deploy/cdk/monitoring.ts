import { Duration } from "aws-cdk-lib";
import {
  Alarm,
  ComparisonOperator,
  Dashboard,
  GraphWidget,
  type IMetric,
  Metric,
  TreatMissingData,
} from "aws-cdk-lib/aws-cloudwatch";
import { SnsAction } from "aws-cdk-lib/aws-cloudwatch-actions";
import type { Function as Lambda } from "aws-cdk-lib/aws-lambda";
import { Topic } from "aws-cdk-lib/aws-sns";
import type { Queue } from "aws-cdk-lib/aws-sqs";
import type { Construct } from "constructs";
import type { Topology } from "../topology.ts";
import { shortNameOf } from "./compute.ts";
import type { Messaging } from "./storage.ts";

/** Of the 120,000 messages that a queue may have in flight. */
const inFlightAlarm = 100_000;
const oldestAlarmSeconds = 3_600;
const period = Duration.minutes(1);

const max = { period, statistic: "max" };
const sum = { period, statistic: "sum" };
const visible = (queue: Queue) => queue.metricApproximateNumberOfMessagesVisible(max);
const oldest = (queue: Queue) => queue.metricApproximateAgeOfOldestMessage(max);
const inFlight = (queue: Queue) => queue.metricApproximateNumberOfMessagesNotVisible(max);

export interface Monitored {
  readonly topology: Topology;
  readonly messaging: Messaging;
  readonly functions: ReadonlyMap<string, Lambda>;
  /** The topic that the alarms tell. */
  readonly alarmTopicArn: string | undefined;
}

/** Adds an alarm for each thing that an operator must see to (docs/operating-on-aws.md), and a page of graphs. */
export function addMonitoring(scope: Construct, monitored: Monitored): readonly Alarm[] {
  const { workflow, stage } = monitored.topology;
  const alarms = alarmsOf(monitored).map(
    ([what, metric, threshold, evaluationPeriods, alarmDescription]) =>
      new Alarm(scope, `Alarm-${what}`, {
        alarmName: `${workflow}-${what}-${stage}`,
        ...{ alarmDescription, metric, threshold, evaluationPeriods },
        comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
        treatMissingData: TreatMissingData.NOT_BREACHING,
      }),
  );
  if (monitored.alarmTopicArn !== undefined) {
    const tell = new SnsAction(Topic.fromTopicArn(scope, "AlarmTopic", monitored.alarmTopicArn));
    for (const alarm of alarms) {
      alarm.addAlarmAction(tell);
      alarm.addOkAction(tell);
    }
  }
  const graph = ([title, left]: Graph) => new GraphWidget({ title, left, width: 12 });
  new Dashboard(scope, "Dashboard", {
    dashboardName: `${workflow}-${stage}`,
    widgets: graphsOf(monitored).map((row) => row.map(graph)),
  });
  return alarms;
}

type AlarmPlan = readonly [what: string, metric: IMetric, above: number, periods: number, description: string];

function alarmsOf({ topology, messaging, functions }: Monitored): AlarmPlan[] {
  const ofQueues = [...messaging.queues].flatMap(([status, { queue, deadLetters }]): AlarmPlan[] => [
    [`dead-${status}`, visible(deadLetters), 0, 1, `Messages of ${status} were received too often without an end.`],
    [`oldest-${status}`, oldest(queue), oldestAlarmSeconds, 5, `Orders wait in ${status} for more than an hour.`],
    [`inFlight-${status}`, inFlight(queue), inFlightAlarm, 1, `The queue of ${status} nears its limit in flight.`],
  ]);
  const ofFunctions = [...functions].flatMap(([name, lambda]): AlarmPlan[] => {
    const what = shortNameOf(name, topology);
    const dropped = new Metric({
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

type Graph = readonly [title: string, metrics: IMetric[]];

/** The dashboard, row by row. */
function graphsOf({ messaging, functions }: Monitored): Graph[][] {
  const pairs = [...messaging.queues.values()];
  const queues = pairs.map(({ queue }) => queue);
  const dead = [...pairs.map(({ deadLetters }) => deadLetters), messaging.unrouted];
  const lambdas = [...functions.values()];
  const of = (metricOf: (lambda: Lambda) => IMetric): IMetric[] => lambdas.map(metricOf);
  return [
    [
      ["Waiting in the queues", queues.map(visible)],
      ["Age of the oldest message, seconds", queues.map(oldest)],
    ],
    [
      ["In flight", queues.map(inFlight)],
      ["Dead letters and unrouted", dead.map(visible)],
    ],
    ...(lambdas.length === 0
      ? []
      : ([
          [
            ["Invocations", of((each) => each.metricInvocations({ period }))],
            ["Duration, milliseconds", of((each) => each.metricDuration({ period, statistic: "p99" }))],
          ],
          [
            ["Errors", of((each) => each.metricErrors({ period }))],
            ["Throttles", of((each) => each.metricThrottles({ period }))],
          ],
        ] satisfies Graph[][])),
  ];
}
