import { CauceError } from "../core/errors.ts";
import { logLevels } from "./logLevels.ts";
import { nearest } from "./nearest.ts";
import {
  oneOf,
  queueUrlBase,
  retentionDays,
  type Setting,
  setting,
  stage,
  statuses,
  text,
  topicArn,
  wholeNumber,
} from "./setting.ts";

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

export type SweepSettings = Values<typeof sweepSettings>;
export type SettingName = keyof typeof settings;
export type Settings = Values<typeof settings>;
export type ClientSettingName = keyof typeof clientSettings;
export type ClientSettings = Values<typeof clientSettings>;

/** A value for each setting of a table; undefined where there may be none. */
type Values<Table> = {
  readonly [K in keyof Table]: Table[K] extends Setting<infer T, infer Default>
    ? Default extends string
      ? T
      : T | undefined
    : never;
};

/** Joins flags, variables and defaults. Throws `setting_invalid` for what is unknown or has a value that it does not take. */
export function readSettings(
  flags: Readonly<Partial<Record<SettingName, string>>>,
  variables: Readonly<Record<string, string>>,
): Settings {
  const values = readTable(settings, flags, variables);
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
  const values = readTable(sweepSettings, flags, variables);
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
  return readTable(clientSettings, flags, variables);
}

/** As `readSettings`, for `cauce backup`. */
export function readBackupSettings(
  flags: Readonly<Partial<Record<"data" | "workflow", string>>>,
  variables: Readonly<Record<string, string>>,
) {
  return readTable({ data: settings.data, workflow: clientSettings.workflow }, flags, variables);
}

function readTable<Table extends Readonly<Record<string, Setting>>>(
  table: Table,
  flags: Readonly<Partial<Record<keyof Table & string, string>>>,
  variables: Readonly<Record<string, string>>,
): Values<Table> {
  // One environment serves every command, so each knows the variables of all.
  const known = [settings, clientSettings].flatMap((all) =>
    Object.values<Setting>(all).map(({ variable }) => variable),
  );
  for (const name of Object.keys(variables)) {
    if (!known.includes(name)) {
      const near = nearest(name, known);
      const hint = near === undefined ? `there are ${known.join(", ")}` : `did you mean ${near}?`;
      throw new CauceError("setting_invalid", `the variable ${name} is unknown; ${hint}`);
    }
  }
  return Object.fromEntries(
    Object.entries(table).map(([name, { variable, default: fallback, parse, secret }]) => {
      const given = flags[name] ?? variables[variable] ?? fallback;
      if (given === null) return [name, undefined];
      const parsed = parse(given);
      if ("value" in parsed) return [name, parsed.value];
      const where = placeOf(table, name, flags);
      const shown = secret ? "" : `, not "${given}"`;
      throw new CauceError("setting_invalid", `${where} must be ${parsed.fault}${shown}`);
    }),
  ) as Values<Table>;
}

/** Where a value was given: its flag, else its variable. */
function placeOf(
  table: Readonly<Record<string, Setting>>,
  name: string,
  flags: Readonly<Record<string, string | undefined>>,
): string {
  const { flag = null, variable = name } = table[name] ?? {};
  return flags[name] === undefined ? variable : (flag?.split(" ")[0] ?? variable);
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
