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
import type { Messaging } from "./messaging.ts";

/** Of a queue's 120,000 in flight. */
const inFlightAlarm = 100_000;
const oldestAlarmSeconds = 3_600;
const period = Duration.minutes(1);

export interface Watched {
  readonly topology: Topology;
  readonly messaging: Messaging;
  readonly functions: ReadonlyMap<string, Lambda>;
  /** Whom the alarms tell. */
  readonly alarmTopicArn: string | undefined;
}

/** An alarm for each thing that an operator must see to (docs/operating-on-aws.md), and a page of graphs. */
export function addWatching(
  scope: Construct,
  { topology, messaging, functions, alarmTopicArn }: Watched,
): readonly Alarm[] {
  const { workflow, stage } = topology;
  const alarms: Alarm[] = [];
  const alarm = (what: string, metric: IMetric, above: number, periods: number, alarmDescription: string): void => {
    alarms.push(
      new Alarm(scope, `Alarm-${what}`, {
        alarmName: `${workflow}-${what}-${stage}`,
        alarmDescription,
        metric,
        threshold: above,
        evaluationPeriods: periods,
        comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
        treatMissingData: TreatMissingData.NOT_BREACHING,
      }),
    );
  };
  const visible = (queue: Queue) => queue.metricApproximateNumberOfMessagesVisible({ period, statistic: "max" });
  const oldest = (queue: Queue) => queue.metricApproximateAgeOfOldestMessage({ period, statistic: "max" });
  const inFlight = (queue: Queue) => queue.metricApproximateNumberOfMessagesNotVisible({ period, statistic: "max" });

  for (const [status, { queue, deadLetters }] of messaging.queues) {
    alarm(
      `dead-${status}`,
      visible(deadLetters),
      0,
      1,
      `Messages of ${status} were received too often without an end.`,
    );
    alarm(`oldest-${status}`, oldest(queue), oldestAlarmSeconds, 5, `Orders wait in ${status} for more than an hour.`);
    alarm(`inFlight-${status}`, inFlight(queue), inFlightAlarm, 1, `The queue of ${status} nears its limit in flight.`);
  }
  alarm("unrouted", visible(messaging.unrouted), 0, 1, "A message's status has no queue.");
  const undelivered = messaging.topic.metricNumberOfNotificationsFailed({ period, statistic: "sum" });
  alarm("undelivered", undelivered, 0, 1, "The topic could not put a message into a queue.");
  for (const [name, lambda] of functions) {
    const what = shortNameOf(name, topology);
    alarm(`errors-${what}`, lambda.metricErrors({ period }), 0, 3, `The function ${name} fails.`);
    alarm(`throttles-${what}`, lambda.metricThrottles({ period }), 0, 3, `The account has no room for ${name}.`);
    if (!what.startsWith("processing")) continue;
    const dropped = new Metric({
      namespace: "AWS/Lambda",
      metricName: "RecursiveInvocationsDropped",
      dimensionsMap: { FunctionName: name },
      statistic: "sum",
      period,
    });
    alarm(`recursion-${what}`, dropped, 0, 1, `AWS took the transitions of ${name} for a loop and dropped messages.`);
  }

  if (alarmTopicArn !== undefined) {
    const tell = new SnsAction(Topic.fromTopicArn(scope, "AlarmTopic", alarmTopicArn));
    for (const each of alarms) {
      each.addAlarmAction(tell);
      each.addOkAction(tell);
    }
  }

  const queues = [...messaging.queues.values()];
  const lambdas = [...functions.values()];
  new Dashboard(scope, "Dashboard", {
    dashboardName: `${workflow}-${stage}`,
    widgets: [
      [
        graph(
          "Waiting in the queues",
          queues.map(({ queue }) => visible(queue)),
        ),
        graph(
          "Age of the oldest message, seconds",
          queues.map(({ queue }) => oldest(queue)),
        ),
      ],
      [
        graph(
          "In flight",
          queues.map(({ queue }) => inFlight(queue)),
        ),
        graph("Dead letters and unrouted", [
          ...queues.map(({ deadLetters }) => visible(deadLetters)),
          visible(messaging.unrouted),
        ]),
      ],
      ...(lambdas.length === 0 ? [] : graphsOf(lambdas)),
    ],
  });
  return alarms;
}

function graph(title: string, left: readonly IMetric[]): GraphWidget {
  return new GraphWidget({ title, left: [...left], width: 12 });
}

function graphsOf(lambdas: readonly Lambda[]): GraphWidget[][] {
  return [
    [
      graph(
        "Invocations",
        lambdas.map((each) => each.metricInvocations({ period })),
      ),
      graph(
        "Duration, milliseconds",
        lambdas.map((each) => each.metricDuration({ period, statistic: "p99" })),
      ),
    ],
    [
      graph(
        "Errors",
        lambdas.map((each) => each.metricErrors({ period })),
      ),
      graph(
        "Throttles",
        lambdas.map((each) => each.metricThrottles({ period })),
      ),
    ],
  ];
}
