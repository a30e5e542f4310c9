import { CauceError } from "../core/errors.ts";
import { logLevels } from "./logLevels.ts";

type Parsed<T> = { readonly value: T } | { readonly fault: string };

/** One setting: its flag, its variable, its default and what it means. The command line and the docs follow from these. */
export interface Setting<T = unknown, Default extends string | null = string | null> {
  /** As commander takes it, such as `--port <number>`; null where only the variable exists. */
  readonly flag: string | null;
  readonly variable: string;
  /** As text, parsed like any other value; null for none. */
  readonly default: Default;
  readonly meaning: string;
  /** Never repeated in an error. */
  readonly secret?: true;
  parse(text: string): Parsed<T>;
}

/** Every setting of `cauce start`. A flag wins over the variable, the variable over the default. */
export const settings = {
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
    parse: wholeNumber(1, 36_500),
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
  return values;
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
    Object.entries(table).map(([name, { flag, variable, default: fallback, parse, secret }]) => {
      const given = flags[name] ?? variables[variable] ?? fallback;
      if (given === null) return [name, undefined];
      const parsed = parse(given);
      if ("value" in parsed) return [name, parsed.value];
      const where = flags[name] === undefined ? variable : flag?.split(" ")[0];
      const shown = secret ? "" : `, not "${given}"`;
      throw new CauceError("setting_invalid", `${where} must be ${parsed.fault}${shown}`);
    }),
  ) as Values<Table>;
}

function setting<T, Default extends string | null>(definition: Setting<T, Default>): Setting<T, Default> {
  return definition;
}

function wholeNumber(least: number, most: number) {
  const range = most === Number.MAX_SAFE_INTEGER ? `from ${least}` : `from ${least} to ${most}`;
  return (value: string): Parsed<number> => {
    const number = Number(value);
    return /^\d+$/.test(value) && number >= least && number <= most
      ? { value: number }
      : { fault: `a whole number ${range}` };
  };
}

function text(pattern: RegExp, what: string) {
  return (value: string): Parsed<string> => (pattern.test(value) ? { value } : { fault: what });
}

function oneOf<const T extends string>(...values: readonly T[]) {
  return (value: string): Parsed<T> => {
    const found = values.find((known) => known === value);
    return found === undefined ? { fault: values.join(" or ") } : { value: found };
  };
}

const prefix = "CAUCE_";

/** The variable that was meant: one that a slip in at most every third letter of its name, or one, turns into this. */
export function nearest(name: string, candidates: readonly string[]): string | undefined {
  const own = name.slice(prefix.length);
  const distances = candidates.map((candidate) => ({
    candidate,
    distance: editDistance(own, candidate.slice(prefix.length)),
  }));
  const best = distances.reduce((least, next) => (next.distance < least.distance ? next : least));
  return best.distance <= Math.max(1, own.length / 3) ? best.candidate : undefined;
}

/** How many letters are changed, added, left out, or swapped with the next one. */
function editDistance(from: string, to: string): number {
  let before: number[] = [];
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const changed = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1);
      const swapped = from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1] ? (before[j - 2] ?? i) + 1 : changed;
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, changed, swapped));
    }
    before = row;
    row = next;
  }
  return row[to.length] ?? 0;
}
