import { CauceError } from "../core/errors.ts";
import {
  logLevels,
  oneOf,
  placeOf,
  queueUrlBase,
  readTable,
  retentionDays,
  setting,
  stage,
  statuses,
  text,
  topicArn,
  type Values,
  wholeNumber,
} from "./settings.ts";

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

/** Every setting of `cauce start`. A flag wins over the variable, the variable over the default. */
export const settings = {
  backend: setting({
    flag: "--backend <name>",
    variable: "CAUCE_BACKEND",
    default: "sqlite",
    meaning: "Where orders are stored: `sqlite`, or `aws` for DynamoDB, SNS and SQS.",
    parse: oneOf("sqlite", "aws"),
  }),
  role: setting({
    flag: "--role <role>",
    variable: "CAUCE_ROLE",
    default: "all",
    meaning:
      "`api` serves the API, `work` runs handlers, `all` does both and sweeps. On SQLite one process owns the data: `all` alone.",
    parse: oneOf("api", "work", "all"),
  }),
  status: setting({
    flag: "--status <status>",
    variable: "CAUCE_STATUS",
    default: null,
    meaning: "With the role `work`: the statuses to work on, separated by commas or one a flag. Without it, all.",
    repeatable: true,
    parse: statuses,
  }),
  stage: setting({
    flag: "--stage <stage>",
    variable: "CAUCE_STAGE",
    default: "dev",
    meaning: "Part of the names on AWS, as in `orders-table-dev`.",
    parse: stage,
  }),
  topicArn: setting({
    flag: "--topic-arn <arn>",
    variable: "CAUCE_TOPIC_ARN",
    default: null,
    meaning: "ARN of the workflow's topic. Without it, it follows from the names.",
    parse: topicArn,
  }),
  queueUrlBase: setting({
    flag: "--queue-url-base <url>",
    variable: "CAUCE_QUEUE_URL_BASE",
    default: null,
    meaning: "What a queue's URL begins with, before its name. Without it, queues are looked for by name.",
    parse: queueUrlBase,
  }),
  port: setting({
    flag: "--port <number>",
    variable: "CAUCE_PORT",
    default: "3000",
    meaning: "Port of the API; 0 takes any free one.",
    parse: wholeNumber(0, 65_535),
  }),
  host: setting({
    flag: "--host <address>",
    variable: "CAUCE_HOST",
    default: "127.0.0.1",
    meaning: "Address to bind. Anything but loopback needs API keys.",
    parse: text(/^\S+$/, "an address such as 127.0.0.1"),
  }),
  data: setting({
    flag: "--data <directory>",
    variable: "CAUCE_DATA",
    default: "./cauce-data",
    meaning: "Directory that holds the orders; made where it is missing.",
    parse: text(/./, "a directory"),
  }),
  delivery: setting({
    flag: "--delivery <mode>",
    variable: "CAUCE_DELIVERY",
    default: "standard",
    meaning: "`standard`, or `fifo` to handle the orders of a group one after another.",
    parse: oneOf("standard", "fifo"),
  }),
  keysFile: setting({
    flag: "--keys <file>",
    variable: "CAUCE_KEYS_FILE",
    default: null,
    meaning: "File with the API keys, one line each, as `cauce keys create` makes them.",
    parse: text(/./, "a file"),
  }),
  keys: setting({
    flag: null,
    variable: "CAUCE_KEYS",
    default: null,
    meaning: "The lines themselves, separated by commas or newlines, in place of a file.",
    parse: text(/./, "key lines, as `cauce keys create` prints them"),
  }),
  bodyBytesMax: setting({
    flag: "--body-bytes-max <bytes>",
    variable: "CAUCE_BODY_BYTES_MAX",
    default: "262144",
    meaning: "Largest body that the API takes, in bytes (256 KiB).",
    parse: wholeNumber(1, Number.MAX_SAFE_INTEGER),
  }),
  basePath: setting({
    flag: "--base-path <path>",
    variable: "CAUCE_BASE_PATH",
    default: null,
    meaning: "Path before every route, such as `/shop`.",
    parse: text(/^(\/[A-Za-z0-9._~-]+)+$/, "a path such as /shop, without a slash at its end"),
  }),
  unknownStatuses: setting({
    flag: "--unknown-statuses <action>",
    variable: "CAUCE_UNKNOWN_STATUSES",
    default: "refuse",
    meaning:
      "When orders stand in statuses that the definition no longer has: `refuse` to start, or `fail` the orders, for an operator to move.",
    parse: oneOf("refuse", "fail"),
  }),
  retentionDays: setting({
    flag: "--retention-days <days>",
    variable: "CAUCE_RETENTION_DAYS",
    default: null,
    meaning: "Removes orders that many days after they came to a final status; without it they stay.",
    parse: retentionDays,
  }),
  logLevel: setting({
    flag: "--log-level <level>",
    variable: "CAUCE_LOG_LEVEL",
    default: "info",
    meaning: "`info`: a JSON line on standard error for each attempt; `warn`: only what went wrong; `error`; `silent`.",
    parse: oneOf(...logLevels),
  }),
  watch: setting({
    flag: "--watch",
    variable: "CAUCE_WATCH",
    default: "false",
    meaning: "Restarts the server when the app's files change; `true` or `false` in the variable.",
    parse: (value) => (["true", "false"].includes(value) ? { value: value === "true" } : { fault: "true or false" }),
  }),
};

/** Every setting of the commands that call a server, such as `cauce list`. */
export const clientSettings = {
  url: setting({
    flag: "--url <url>",
    variable: "CAUCE_URL",
    default: "http://127.0.0.1:3000",
    meaning: "Address of the server, its base path included.",
    parse: text(/^https?:\/\/\S+$/, "an address such as http://127.0.0.1:3000"),
  }),
  key: setting({
    flag: "--key <key>",
    variable: "CAUCE_API_KEY",
    default: null,
    meaning: "API key, as `cauce keys create` showed it.",
    secret: true,
    parse: text(/^[\x21-\x7e]+$/, "an API key, as `cauce keys create` showed it"),
  }),
  workflow: setting({
    flag: "--workflow <name>",
    variable: "CAUCE_WORKFLOW",
    default: null,
    meaning: "Workflow of the orders; needed where the server has several.",
    parse: text(/^[a-z][A-Za-z0-9]{0,39}$/, "a workflow's name"),
  }),
};

/** Those of `cauce sweep`. */
export const sweepSettings = {
  backend: settings.backend,
  stage: settings.stage,
  topicArn: settings.topicArn,
  queueUrlBase: settings.queueUrlBase,
  delivery: settings.delivery,
  retentionDays: settings.retentionDays,
  logLevel: settings.logLevel,
};

/** Those of `cauce synth` and `cauce deploy`. */
export const stackSettings = {
  stage: settings.stage,
  delivery: settings.delivery,
  ...stackOnly,
  keysFile: settings.keysFile,
  keys: settings.keys,
  retentionDays: settings.retentionDays,
};

const known = [settings, clientSettings, stackOnly].flatMap((table) =>
  Object.values(table).map(({ variable }) => variable),
);

export type StackSettings = Values<typeof stackSettings>;
export type SweepSettings = Values<typeof sweepSettings>;
export type SettingName = keyof typeof settings;
export type Settings = Values<typeof settings>;
export type ClientSettingName = keyof typeof clientSettings;
export type ClientSettings = Values<typeof clientSettings>;

/** Joins flags, variables and defaults. Throws `setting_invalid` for what is unknown or has a value that it does not take. */
export function readSettings(
  flags: Readonly<Partial<Record<SettingName, string>>>,
  variables: Readonly<Record<string, string>>,
): Settings {
  const values = readTable(settings, flags, variables, known);
  if (flags.keysFile === undefined && variables.CAUCE_KEYS !== undefined && variables.CAUCE_KEYS_FILE !== undefined) {
    throw new CauceError("setting_invalid", "CAUCE_KEYS and CAUCE_KEYS_FILE are both set; keep one of them");
  }
  checkBackend(values, (name) => placeOf(settings, name, flags));
  return values;
}

/** As `readSettings`, for `cauce sweep`, which needs no more than to reach the store. */
export function readSweepSettings(
  flags: Readonly<Partial<Record<keyof typeof sweepSettings, string>>>,
  variables: Readonly<Record<string, string>>,
): SweepSettings {
  const values = readTable(sweepSettings, flags, variables, known);
  if (values.backend === "aws") return values;
  throw new CauceError(
    "setting_invalid",
    "cauce sweep is for --backend aws: on SQLite the process that owns the data sweeps by itself",
  );
}

/** As `readSettings`, for the commands that call a server. */
export function readClientSettings(
  flags: Readonly<Partial<Record<ClientSettingName, string>>>,
  variables: Readonly<Record<string, string>>,
): ClientSettings {
  return readTable(clientSettings, flags, variables, known);
}

/** As `readSettings`, for the commands that lay a workflow out on AWS. */
export function readStackSettings(
  flags: Readonly<Partial<Record<keyof typeof stackSettings, string>>>,
  variables: Readonly<Record<string, string>>,
): StackSettings {
  const values = readTable(stackSettings, flags, variables, known);
  const where = (name: keyof typeof stackSettings) => placeOf(stackSettings, name, flags);
  const refuse = (what: string): never => {
    throw new CauceError("setting_invalid", what);
  };
  if (values.compute === "kubernetes") {
    for (const name of ["processors", "accountConcurrency", "public", "keysFile", "retentionDays"] as const) {
      if (flags[name] === undefined) continue;
      refuse(`${where(name)} is for --compute lambda; leave it out, and give it to the processes in the pods`);
    }
  }
  if (values.public) {
    const keys = (["keysFile", "keys"] as const).find((name) => values[name] !== undefined);
    if (keys !== undefined) refuse(`${where("public")} and ${where(keys)} are both given; keep one of them`);
  }
  return values;
}

/** As `readSettings`, for `cauce backup`. */
export function readBackupSettings(
  flags: Readonly<Partial<Record<"data" | "workflow", string>>>,
  variables: Readonly<Record<string, string>>,
) {
  return readTable({ data: settings.data, workflow: clientSettings.workflow }, flags, variables, known);
}

/** Refuses what means nothing in its place, which would look as if it did something. */
function checkBackend({ backend, role, status, ...others }: Settings, where: (name: SettingName) => string): void {
  const refuse = (name: SettingName, why: string): never => {
    throw new CauceError("setting_invalid", `${where(name)} ${why}`);
  };
  if (backend === "sqlite") {
    if (role !== "all") {
      refuse("role", `is "${role}", which is for --backend aws: one process owns a SQLite file, and does everything`);
    }
    for (const name of ["stage", "topicArn", "queueUrlBase"] as const) {
      if ((others[name] ?? null) !== settings[name].default)
        refuse(name, "is for --backend aws; leave it out, or choose that backend");
    }
  }
  if (status !== undefined && role !== "work") {
    refuse("status", `is for the role work, and the role is ${role}; leave it out, or give --role work`);
  }
}
