/**
 * Every setting, once: its flag, its variable, what it takes, its default, who reads it and what it means. The flags and
 * help of the command line, the settings of functions and their environment, the checks of `createCauce`, and
 * docs/reference/settings.md follow from this table.
 */
import { startSecondsDefault } from "../engine/resources.ts";
import { bodyBytesMaxDefault } from "../http/body.ts";

/** What a process of a deployment does. Each function and each pod has one duty. */
export type Duty = "serve" | "work" | "maintain";
export const duties: readonly Duty[] = ["serve", "work", "maintain"];

/** The commands by what they read: `client` stands for those that call a server, `stack` for synth, deploy and emulate. */
export const commands = ["start", "sweep", "backup", "client", "stack"] as const;
export type CommandKind = (typeof commands)[number];

/** Who reads a setting: a command, a function by its duty, or the library for an option. */
export type SettingReader = CommandKind | Duty | "createCauce";

/** What a setting takes: one of some words, a whole number, text of a pattern, a list of such texts, or true or false. */
export type Takes =
  | { readonly oneOf: readonly string[] }
  | { readonly from: number; readonly to?: number }
  | { readonly pattern: RegExp; readonly says: string; readonly list?: true }
  | "true or false";

/** The type of the value of what a setting takes. */
export type Taken<T extends Takes> = T extends "true or false"
  ? boolean
  : T extends { readonly oneOf: readonly (infer Word)[] }
    ? Word
    : T extends { readonly from: number }
      ? number
      : T extends { readonly list: true }
        ? readonly string[]
        : string;

export interface Setting {
  /** As commander takes it, such as `--port <number>`. Null: only the variable exists. */
  readonly flag: string | null;
  readonly variable: string;
  readonly takes: Takes;
  /** Of a number. */
  readonly unit?: "bytes" | "days" | "seconds";
  /** As text, parsed like any other value. */
  readonly default?: string;
  readonly readers: readonly SettingReader[];
  readonly meaning: string;
  /** No error repeats the value. */
  readonly secret?: true;
  /** The flag may be given several times, which means its values with commas between them. */
  readonly repeatable?: true;
}

export type Rows = Readonly<Record<string, Setting>>;

/** A log writes the lines of its own level and of the levels after it. */
const logLevels = ["info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof logLevels)[number];

const name = /^[a-z][A-Za-z0-9]{0,39}$/;
const arnOfTopic = {
  pattern: /^arn:[a-z-]+:sns:[a-z0-9-]+:\d{12}:[\w-]+(\.fifo)?$/,
  says: "a topic's ARN such as arn:aws:sns:eu-west-1:123456789012:orders-topic-dev",
} as const;

// The functions read these rows, and their bundles hold no others.

const stage = {
  flag: "--stage <stage>",
  variable: "CAUCE_STAGE",
  takes: { pattern: /^[A-Za-z0-9-]{1,32}$/, says: "1 to 32 letters, digits and hyphens" },
  default: "dev",
  readers: ["start", "sweep", "stack", "serve", "work", "maintain"],
  meaning: "Part of the names on AWS, as in `orders-table-dev`.",
} as const satisfies Setting;

const topicArn = {
  flag: "--topic-arn <arn>",
  variable: "CAUCE_TOPIC_ARN",
  takes: arnOfTopic,
  readers: ["start", "sweep", "serve", "work", "maintain"],
  meaning: "ARN of the workflow's topic. Without it, it follows from the names.",
} as const satisfies Setting;

const queueUrlBase = {
  flag: "--queue-url-base <url>",
  variable: "CAUCE_QUEUE_URL_BASE",
  takes: {
    pattern: /^https?:\/\/\S+\/$/,
    says: "an address that ends in /, such as https://sqs.eu-west-1.amazonaws.com/123456789012/",
  },
  readers: ["start", "sweep", "serve", "work", "maintain"],
  meaning: "What a queue's URL begins with, before its name. Without it, SQS is asked for each queue by its name.",
} as const satisfies Setting;

const delivery = {
  flag: "--delivery <mode>",
  variable: "CAUCE_DELIVERY",
  takes: { oneOf: ["standard", "fifo"] },
  readers: ["start", "sweep", "stack", "serve", "work", "maintain", "createCauce"],
  meaning:
    "`standard`, or `fifo` to handle orders of a group one after another. Without it: the store's; for a new store and on AWS `standard`.",
} as const satisfies Setting;

const keys = {
  flag: null,
  variable: "CAUCE_KEYS",
  takes: { pattern: /./, says: "key lines, as `cauce keys create` prints them" },
  readers: ["start", "stack", "serve"],
  meaning: "The lines of API keys themselves, separated by commas or newlines, in place of a file.",
} as const satisfies Setting;

const retentionDays = {
  flag: "--retention-days <days>",
  variable: "CAUCE_RETENTION_DAYS",
  takes: { from: 1, to: 36_500 },
  unit: "days",
  readers: ["start", "sweep", "stack", "maintain", "createCauce"],
  meaning: "Removes orders this many days after they came to a final status; without it they stay.",
} as const satisfies Setting;

const isPublic = {
  flag: "--public",
  variable: "CAUCE_PUBLIC",
  takes: "true or false",
  default: "false",
  readers: ["stack", "serve"],
  meaning:
    "Serves the API on AWS without keys: everyone who finds its address can call it. `true` or `false` in the variable.",
} as const satisfies Setting;

const metrics = {
  flag: null,
  variable: "CAUCE_METRICS",
  takes: "true or false",
  default: "true",
  readers: ["serve", "work", "maintain"],
  meaning: "Whether a function writes metrics for CloudWatch into its log.",
} as const satisfies Setting;

/** The rows that functions read: those with a duty among their `readers`. */
export const functionSettings = {
  stage,
  topicArn,
  queueUrlBase,
  delivery,
  keys,
  retentionDays,
  public: isPublic,
  metrics,
};

export const settings = {
  backend: {
    flag: "--backend <name>",
    variable: "CAUCE_BACKEND",
    takes: { oneOf: ["sqlite", "aws"] },
    default: "sqlite",
    readers: ["start", "sweep"],
    meaning: "Where orders are stored: `sqlite`, or `aws` for DynamoDB, SNS and SQS.",
  },
  role: {
    flag: "--role <role>",
    variable: "CAUCE_ROLE",
    takes: { oneOf: ["api", "work", "all"] },
    default: "all",
    readers: ["start"],
    meaning:
      "`api` serves the API, `work` runs handlers, `all` does both and sweeps. On SQLite one process owns the data: `all` alone.",
  },
  status: {
    flag: "--status <status>",
    variable: "CAUCE_STATUS",
    takes: { pattern: name, says: "names of statuses, separated by commas", list: true },
    readers: ["start"],
    meaning:
      "With the role `work`: the statuses to work on, separated by commas or one for each flag. Without it, all.",
    repeatable: true,
  },
  stage,
  topicArn,
  queueUrlBase,
  port: {
    flag: "--port <number>",
    variable: "CAUCE_PORT",
    takes: { from: 0, to: 65_535 },
    default: "3000",
    readers: ["start"],
    meaning: "Port of the API; 0 takes any free one.",
  },
  host: {
    flag: "--host <address>",
    variable: "CAUCE_HOST",
    takes: { pattern: /^\S+$/, says: "an address such as 127.0.0.1" },
    default: "127.0.0.1",
    readers: ["start"],
    meaning: "Address to bind. Anything but loopback needs API keys.",
  },
  data: {
    flag: "--data <directory>",
    variable: "CAUCE_DATA",
    takes: { pattern: /./, says: "a directory" },
    default: "./cauce-data",
    readers: ["start", "backup"],
    meaning: "Directory that holds the orders; made if it is missing.",
  },
  delivery,
  keysFile: {
    flag: "--keys <file>",
    variable: "CAUCE_KEYS_FILE",
    takes: { pattern: /./, says: "a file" },
    readers: ["start", "stack"],
    meaning: "File with the API keys, one line for each, as `cauce keys create` makes them.",
  },
  keys,
  bodyBytesMax: {
    flag: "--body-bytes-max <bytes>",
    variable: "CAUCE_BODY_BYTES_MAX",
    takes: { from: 1 },
    unit: "bytes",
    default: String(bodyBytesMaxDefault),
    readers: ["start", "createCauce"],
    meaning: "Largest body that the API takes, in bytes (256 KiB).",
  },
  basePath: {
    flag: "--base-path <path>",
    variable: "CAUCE_BASE_PATH",
    takes: { pattern: /^(\/[\w.~-]+)+$/, says: "a path such as /shop, without a slash at its end" },
    readers: ["start", "createCauce"],
    meaning: "Path before every route, such as `/shop`.",
  },
  unknownStatuses: {
    flag: "--unknown-statuses <action>",
    variable: "CAUCE_UNKNOWN_STATUSES",
    takes: { oneOf: ["refuse", "fail"] },
    default: "refuse",
    readers: ["start", "createCauce"],
    meaning:
      "What to do with orders in statuses that the definition no longer has: `refuse` to start, or `fail` the orders, for an operator to move.",
  },
  retentionDays,
  startSeconds: {
    flag: "--start-seconds <seconds>",
    variable: "CAUCE_START_SECONDS",
    takes: { from: 1, to: 86_400 },
    unit: "seconds",
    default: String(startSecondsDefault),
    readers: ["start", "createCauce"],
    meaning: "How long the app's `resources` may take to open. A migration of the store may take longer.",
  },
  logLevel: {
    flag: "--log-level <level>",
    variable: "CAUCE_LOG_LEVEL",
    takes: { oneOf: logLevels },
    default: "info",
    readers: ["start", "sweep"],
    meaning: "`info`: a JSON line on standard error for each attempt; `warn`: only what went wrong; `error`; `silent`.",
  },
  watch: {
    flag: "--watch",
    variable: "CAUCE_WATCH",
    takes: "true or false",
    default: "false",
    readers: ["start"],
    meaning: "Restarts the server when the app's files change; `true` or `false` in the variable.",
  },
  url: {
    flag: "--url <url>",
    variable: "CAUCE_URL",
    takes: { pattern: /^https?:\/\/\S+$/, says: "an address such as http://127.0.0.1:3000" },
    default: "http://127.0.0.1:3000",
    readers: ["client"],
    meaning: "Address of the server, its base path included.",
  },
  key: {
    flag: "--key <key>",
    variable: "CAUCE_API_KEY",
    takes: { pattern: /^[\x21-\x7e]+$/, says: "an API key, as `cauce keys create` showed it" },
    readers: ["client"],
    meaning: "API key, as `cauce keys create` showed it.",
    secret: true,
  },
  workflow: {
    flag: "--workflow <name>",
    variable: "CAUCE_WORKFLOW",
    takes: { pattern: name, says: "a workflow's name" },
    readers: ["client", "backup"],
    meaning: "Workflow of the orders; needed where there are several.",
  },
  processors: {
    flag: "--processors <how>",
    variable: "CAUCE_PROCESSORS",
    takes: { oneOf: ["shared", "per-status"] },
    default: "shared",
    readers: ["stack"],
    meaning: "`shared`: one function handles every status; `per-status`: one for each.",
  },
  compute: {
    flag: "--compute <what>",
    variable: "CAUCE_COMPUTE",
    takes: { oneOf: ["lambda", "kubernetes"] },
    default: "lambda",
    readers: ["stack"],
    meaning: "What runs the handlers: `lambda`, or `kubernetes`, which makes roles for pods and no functions.",
  },
  accountConcurrency: {
    flag: "--account-concurrency <number>",
    variable: "CAUCE_ACCOUNT_CONCURRENCY",
    takes: { from: 1, to: 1_000_000 },
    default: "1000",
    readers: ["stack"],
    meaning: "How many functions the account runs at once in the Region; new accounts start lower.",
  },
  alarmTopicArn: {
    flag: "--alarm-topic-arn <arn>",
    variable: "CAUCE_ALARM_TOPIC_ARN",
    takes: arnOfTopic,
    readers: ["stack"],
    meaning: "SNS topic that each alarm tells when it rings and when it ends; without it no alarm tells anyone.",
  },
  public: isPublic,
  metrics,
} as const satisfies Rows;

export type SettingName = keyof typeof settings;
type Table = typeof settings;

/** The names of the settings that a reader reads. */
export type NameOf<R extends SettingReader> = {
  [Name in SettingName]: [Extract<Table[Name]["readers"][number], R>] extends [never] ? never : Name;
}[SettingName];

/** A value for each setting that a reader reads. Undefined: none was given, and there is no default. */
export type Settings<R extends SettingReader> = {
  readonly [Name in NameOf<R>]:
    | Taken<Table[Name]["takes"]>
    | (Table[Name] extends { readonly default: string } ? never : undefined);
};

export type FunctionSettings = Settings<Duty>;

/** Gives the rows that any of the readers reads, by name, in the table's order. */
export function rowsOf<R extends SettingReader>(...readers: readonly R[]): Readonly<Record<NameOf<R>, Setting>> {
  const rows = Object.entries<Setting>(settings).filter(([, row]) =>
    readers.some((reader) => row.readers.includes(reader)),
  );
  return Object.fromEntries(rows) as Record<NameOf<R>, Setting>;
}

/** What processes are told, by the settings' names. */
export type DutyValues = Readonly<Partial<Record<NameOf<Duty>, string | number | boolean | undefined>>>;

/** Makes the environment of a process: a variable for each of the values that its duty reads. */
export function environmentOf(duty: Duty, values: DutyValues): Readonly<Record<string, string>> {
  const rows: Rows = rowsOf(duty);
  return Object.fromEntries(
    Object.entries(values).flatMap(([name, value]) => {
      const variable = rows[name]?.variable;
      return value === undefined || variable === undefined ? [] : [[variable, String(value)]];
    }),
  );
}
