import { CauceError } from "../core/errors.ts";

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
  /** The flag may be given several times, which is the same as its values with commas between them. */
  readonly repeatable?: true;
  parse(text: string): Parsed<T>;
}

export function setting<T, Default extends string | null>(definition: Setting<T, Default>): Setting<T, Default> {
  return definition;
}

export function wholeNumber(least: number, most: number) {
  const range = most === Number.MAX_SAFE_INTEGER ? `from ${least}` : `from ${least} to ${most}`;
  return (value: string): Parsed<number> => {
    const number = Number(value);
    return /^\d+$/.test(value) && number >= least && number <= most
      ? { value: number }
      : { fault: `a whole number ${range}` };
  };
}

export const retentionDays = wholeNumber(1, 36_500);

export function text(pattern: RegExp, what: string) {
  return (value: string): Parsed<string> => (pattern.test(value) ? { value } : { fault: what });
}

export const stage = text(/^[A-Za-z0-9-]{1,32}$/, "1 to 32 letters, digits and hyphens");

export const topicArn = text(
  /^arn:[a-z-]+:sns:[a-z0-9-]+:\d{12}:[\w-]+(\.fifo)?$/,
  "a topic's ARN such as arn:aws:sns:eu-west-1:123456789012:orders-topic-dev",
);

export const queueUrlBase = text(
  /^https?:\/\/\S+\/$/,
  "an address that ends in /, such as https://sqs.eu-west-1.amazonaws.com/123456789012/",
);

export function oneOf<const T extends string>(...values: readonly T[]) {
  return (value: string): Parsed<T> => {
    const found = values.find((known) => known === value);
    return found === undefined ? { fault: values.join(" or ") } : { value: found };
  };
}

export function statuses(value: string): Parsed<readonly string[]> {
  const names = value.split(",").map((name) => name.trim());
  return names.every((name) => /^[a-z][A-Za-z0-9]{0,39}$/.test(name))
    ? { value: names }
    : { fault: "names of statuses, separated by commas" };
}

/** A value for each setting of a table; undefined where there may be none. */
export type Values<Table> = {
  readonly [K in keyof Table]: Table[K] extends Setting<infer T, infer Default>
    ? Default extends string
      ? T
      : T | undefined
    : never;
};

/**
 * Joins flags, variables and defaults. `known` are the variables of all commands: one environment serves each. Throws
 * `setting_invalid`.
 */
export function readTable<Table extends Readonly<Record<string, Setting>>>(
  table: Table,
  flags: Readonly<Partial<Record<keyof Table & string, string>>>,
  variables: Readonly<Record<string, string>>,
  known: readonly string[],
): Values<Table> {
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
export function placeOf(
  table: Readonly<Record<string, Setting>>,
  name: string,
  flags: Readonly<Record<string, string | undefined>>,
): string {
  const { flag = null, variable = name } = table[name] ?? {};
  return flags[name] === undefined ? variable : (flag?.split(" ")[0] ?? variable);
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

/** The environment's CAUCE_* variables. This file alone reads `process.env`. */
export function cauceVariables(): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (name.startsWith("CAUCE_") && value !== undefined) found[name] = value;
  }
  return found;
}

/** The name under which Lambda runs this process. */
export function functionName(): string {
  return process.env.AWS_LAMBDA_FUNCTION_NAME ?? "function";
}

/** The directory from which a command was given. `npm run cauce` runs it in the package's folder instead. */
export function givenFrom(): string {
  const { npm_lifecycle_event: script, INIT_CWD: directory } = process.env;
  return script === "cauce" && directory !== undefined ? directory : process.cwd();
}

/** What a log writes: its own level and those after it. */
export const logLevels = ["info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof logLevels)[number];
