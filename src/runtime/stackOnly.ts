import { oneOf, setting, topicArn, wholeNumber } from "./setting.ts";

/** What only the commands take that lay a workflow out on AWS. */
export const stackOnly = {
  processors: setting({
    flag: "--processors <how>",
    variable: "CAUCE_PROCESSORS",
    default: "shared",
    meaning: "`shared`: one function handles every status; `per-status`: one for each.",
    parse: oneOf("shared", "per-status"),
  }),
  compute: setting({
    flag: "--compute <what>",
    variable: "CAUCE_COMPUTE",
    default: "lambda",
    meaning: "What runs the handlers: `lambda`, or `kubernetes`, which makes roles for pods and no functions.",
    parse: oneOf("lambda", "kubernetes"),
  }),
  accountConcurrency: setting({
    flag: "--account-concurrency <number>",
    variable: "CAUCE_ACCOUNT_CONCURRENCY",
    default: "1000",
    meaning: "How many functions the account runs at once in the Region; new accounts start lower.",
    parse: wholeNumber(1, 1_000_000),
  }),
  alarmTopicArn: setting({
    flag: "--alarm-topic-arn <arn>",
    variable: "CAUCE_ALARM_TOPIC_ARN",
    default: null,
    meaning: "SNS topic that each alarm tells when it rings and when it ends; without it alarms tell nobody.",
    parse: topicArn,
  }),
  public: setting({
    flag: "--public",
    variable: "CAUCE_PUBLIC",
    default: "false",
    meaning:
      "Deploys an API without keys, which whoever finds its address can call; `true` or `false` in the variable.",
    parse: (value) => (["true", "false"].includes(value) ? { value: value === "true" } : { fault: "true or false" }),
  }),
};
