import { CauceError } from "../core/errors.ts";
import {
  type CommandKind,
  commands,
  type FunctionSettings,
  functionSettings,
  type NameOf,
  type Rows,
  rowsOf,
  type Setting,
  type SettingName,
  type SettingReader,
  type Settings,
  settings,
  type Taken,
  type Takes,
} from "./settings.ts";

/** The flags that were given: text, by the settings' names. */
export type Flags<R extends SettingReader> = Readonly<Partial<Record<NameOf<R>, string>>>;
type Given = Readonly<Partial<Record<string, string>>>;

/** Reads the CAUCE_* variables of the environment. Only this file reads `process.env`. */
export function cauceVariables(): Given {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => name.startsWith("CAUCE_")));
}

/** Reads the name under which Lambda runs this process. */
export function functionName(): string {
  return process.env.AWS_LAMBDA_FUNCTION_NAME ?? "function";
}

/** Whether Lambda's own runtime, or one in its place, runs this process. */
export function isOnLambda(): boolean {
  return process.env.AWS_LAMBDA_RUNTIME_API !== undefined;
}

/** Finds the directory from which a command was given. `npm run cauce` runs commands in the package's folder instead. */
export function givenFrom(): string {
  const { npm_lifecycle_event: script, INIT_CWD: directory } = process.env;
  return script === "cauce" && directory !== undefined ? directory : process.cwd();
}

/**
 * Reads a command's settings. A flag wins over the variable, the variable over the default. One environment serves every
 * command, so a variable of another command is no error. Throws `setting_invalid`.
 */
export function readSettings<C extends CommandKind>(command: C, flags: Flags<C>, variables: Given): Settings<C> {
  refuseUnknown(variables, rowsOf(...commands), (name) => `the variable ${name} is unknown`);
  const values = valuesOf(rowsOf(command), flags, variables);
  refuseMeaningless(command, values, flags, variables);
  // Each value is one that its own row takes.
  return values as Settings<C>;
}

/** Reads a function's settings. Throws `setting_invalid`, also for a variable that only commands read. */
export function readFunctionSettings(variables: Given = cauceVariables()): FunctionSettings {
  refuseUnknown(variables, functionSettings, (name) => `${name} is no setting of a function`);
  return valuesOf(functionSettings, {}, variables) as FunctionSettings;
}

/** Checks the value of an option in code. Throws `setting_invalid` if its setting does not take it; `whose` begins the message. */
export function checkOption(whose: string, name: SettingName, value: unknown): void {
  const { takes } = settings[name];
  if (value === undefined || parse(takes, String(value)) === value) return;
  const shown = typeof value === "string" ? `"${value}"` : String(value);
  throw invalid(`${whose}: ${name} is ${shown}; it must be ${saysOf(takes)}, or be left out`);
}

/** Parses a text. Throws `setting_invalid`, naming `where`: the flag or variable that gave the text. */
export function parseAs<const T extends Takes>(takes: T, text: string, where: string, isSecret = false): Taken<T> {
  const value = parse(takes, text);
  if (value !== undefined) return value as Taken<T>;
  throw invalid(`${where} must be ${saysOf(takes)}${isSecret ? "" : `, not "${text}"`}`);
}

/** Says what a setting takes, in words that end the sentence "it must be …". */
export function saysOf(takes: Takes): string {
  if (takes === "true or false") return takes;
  if ("oneOf" in takes) return takes.oneOf.join(" or ");
  if ("pattern" in takes) return takes.says;
  return `a whole number from ${takes.from}${takes.to === undefined ? "" : ` to ${takes.to}`}`;
}

/** Parses a text. Undefined: the setting does not take it. */
function parse(takes: Takes, text: string): unknown {
  if (takes === "true or false") return text === "true" ? true : text === "false" ? false : undefined;
  if ("oneOf" in takes) return takes.oneOf.find((word) => word === text);
  if ("pattern" in takes) {
    const texts = takes.list ? text.split(",").map((part) => part.trim()) : [text];
    if (!texts.every((each) => takes.pattern.test(each))) return undefined;
    return takes.list ? texts : text;
  }
  const { from, to = Number.MAX_SAFE_INTEGER } = takes;
  const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  return number >= from && number <= to ? number : undefined;
}

type Values = Partial<Settings<SettingReader>>;

function valuesOf(rows: Rows, flags: Given, variables: Given): Values {
  return Object.fromEntries(
    Object.entries(rows).map(([name, row]) => {
      const text = flags[name] ?? variables[row.variable] ?? row.default;
      return [name, text === undefined ? undefined : parseAs(row.takes, text, sourceOf(row, flags[name]), row.secret)];
    }),
  );
}

/** Names where a value was given: its flag, else its variable. */
function sourceOf({ flag, variable }: Setting, given: string | undefined): string {
  return given === undefined || flag === null ? variable : flag.replace(/ .*/, "");
}

function refuseUnknown(variables: Given, rows: Rows, what: (name: string) => string): void {
  const known = Object.values(rows).map(({ variable }) => variable);
  for (const name of Object.keys(variables)) {
    if (known.includes(name)) continue;
    const near = nearest(name, known);
    throw invalid(`${what(name)}; ${near === undefined ? `there are ${known.join(", ")}` : `did you mean ${near}?`}`);
  }
}

/** Refuses a setting that has no effect beside the others, since it would look as if it had one. */
function refuseMeaningless(command: CommandKind, values: Values, flags: Given, variables: Given): void {
  const refuse = (name: SettingName, why: string): never => {
    throw invalid(`${sourceOf(settings[name], flags[name])} ${why}`);
  };
  const { backend, role, status } = values;
  if (command === "sweep" && backend !== "aws") {
    throw invalid("cauce sweep is for --backend aws: on SQLite the process that owns the data sweeps by itself");
  }
  if (command === "start") {
    if (flags.keysFile === undefined && variables.CAUCE_KEYS !== undefined && variables.CAUCE_KEYS_FILE !== undefined) {
      throw invalid("CAUCE_KEYS and CAUCE_KEYS_FILE are both set; keep one of them");
    }
    if (backend === "sqlite") {
      if (role !== "all") {
        refuse("role", `is "${role}", which is for --backend aws: one process owns a SQLite file, and does everything`);
      }
      for (const name of ["stage", "topicArn", "queueUrlBase"] as const) {
        const row: Setting = settings[name];
        if (values[name] !== row.default) refuse(name, "is for --backend aws; leave it out, or choose that backend");
      }
    }
    if (status !== undefined && role !== "work") {
      refuse("status", `is for the role work, and the role is ${role}; leave it out, or give --role work`);
    }
  }
  if (command === "stack") {
    for (const name of ["processors", "accountConcurrency", "public", "keysFile", "retentionDays"] as const) {
      if (values.compute !== "kubernetes" || flags[name] === undefined) continue;
      refuse(name, "is for --compute lambda; leave it out, and give it to the processes in the pods");
    }
    const keys = (["keysFile", "keys"] as const).find((name) => values[name] !== undefined);
    if (values.public && keys !== undefined) {
      refuse("public", `and ${sourceOf(settings[keys], flags[keys])} are both given; keep one of them`);
    }
  }
}

function invalid(message: string): CauceError {
  return new CauceError("setting_invalid", message);
}

/** Finds the name that was meant: the nearest one, if at most every third letter of `name`, or one letter, differs. */
export function nearest(name: string, candidates: readonly string[]): string | undefined {
  const own = name.replace(/^CAUCE_/, "");
  const distances = candidates.map((candidate) => ({
    candidate,
    distance: editDistance(own, candidate.replace(/^CAUCE_/, "")),
  }));
  const best = distances.reduce((min, next) => (next.distance < min.distance ? next : min));
  return best.distance <= Math.max(1, own.length / 3) ? best.candidate : undefined;
}

/** Counts the letters that are changed, added, left out, or swapped with the next letter. */
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
