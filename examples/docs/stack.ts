import { join } from "node:path";
import { type App, Stack } from "aws-cdk-lib";
import { SnsAction } from "aws-cdk-lib/aws-cloudwatch-actions";
import { Topic } from "aws-cdk-lib/aws-sns";
import { Cauce } from "cauce/cdk";
import parcels from "./parcels.app.ts";

/** The parcels in a stack of your own, whose alarms notify a topic of yours. */
export function parcelsStack(cdk: App, keys: string): Stack {
  const stack = new Stack(cdk, "parcels-prod");
  const { alarms } = new Cauce(stack, "Cauce", {
    app: parcels,
    module: join(import.meta.dirname, "parcels.app.ts"),
    stage: "prod",
    access: { keys },
  });
  const bell = new SnsAction(new Topic(stack, "Bell", { enforceSSL: true }));
  for (const alarm of alarms) alarm.addAlarmAction(bell);
  return stack;
}
