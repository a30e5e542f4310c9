import { type Command, Option } from "commander";
import * as z from "zod";
import { type FieldKind, fieldKind, fromText, pathFieldMeanings } from "../../api/fields.ts";
import type { Operation } from "../../api/operation.ts";
import { pathFieldOf } from "../../api/orders.ts";
import { CauceError } from "../../core/errors.ts";
import { type Output, parseJson } from "../output.ts";
import { type CommandCall, remoteCommand } from "./connection.ts";

/** How an operation's input is typed on the command line: fields as arguments and flags, text as what the fields take. */

type Words = readonly [written: string, meaning: string];

const placeholders: Readonly<Record<FieldKind, string | undefined>> = {
  text: undefined,
  number: "number",
  boolean: "",
  json: "json",
};

/** The arguments: the field of the path, then those that the operation names. */
export function argumentsOf(operation: Operation): Words[] {
  return argumentNamesOf(operation).map((name) => {
    const meaning = pathFieldMeanings[name] ?? meaningOf(shapeOf(operation)[name]);
    return [`<${name}>`, inSentence(meaning)];
  });
}

/** The flags: every other field, but for those that the command fills by itself. */
export function flagsOf(operation: Operation, hidden: readonly string[] = []): Words[] {
  const others = [...argumentNamesOf(operation), ...hidden];
  return Object.entries(shapeOf(operation)).flatMap(([name, schema]): Words[] => {
    if (others.includes(name)) return [];
    const placeholder = placeholders[fieldKind(schema)] ?? name;
    const fallback =
      schema._zod.def.type === "default" ? ` (default: ${(schema as z.ZodDefault).def.defaultValue})` : "";
    return [
      [`--${dashed(name)}${placeholder === "" ? "" : ` <${placeholder}>`}`, inSentence(meaningOf(schema)) + fallback],
    ];
  });
}

/** What was typed, as the operation takes it. Throws `setting_invalid`, naming the argument or flag. */
export function inputOf(
  operation: Operation,
  fieldsOf: Operation,
  { argument, hides = [] }: Pick<Drawing, "argument" | "hides">,
  values: readonly (string | undefined)[],
  flags: Readonly<Record<string, string | boolean>>,
): Record<string, unknown> {
  const shape = shapeOf(fieldsOf);
  const positional = argument === undefined ? argumentNamesOf(operation) : [];
  const input: Record<string, unknown> = {};
  for (const [index, name] of positional.entries()) {
    const value = values[index];
    const schema = shape[name];
    if (value !== undefined) input[name] = schema === undefined ? value : typed(name, schema, value);
  }
  for (const [name, schema] of Object.entries(shape)) {
    const value = flags[name];
    if (value === undefined || positional.includes(name) || hides.includes(name)) continue;
    input[name] = typed(`--${dashed(name)}`, schema, value);
  }
  return input;
}

function argumentNamesOf(operation: Operation): string[] {
  const inPath = pathFieldOf(operation);
  return [...(inPath === undefined ? [] : [inPath]), ...(operation.command?.arguments ?? [])];
}

function shapeOf({ input }: Operation): Readonly<Record<string, z.ZodType>> {
  return (input?.().shape ?? {}) as Readonly<Record<string, z.ZodType>>;
}

function typed(where: string, schema: z.ZodType, given: string | boolean): unknown {
  const kind = fieldKind(schema);
  const value = kind === "json" ? parseJson(String(given), where, "setting_invalid") : fromText(kind, String(given));
  const parsed = schema.safeParse(value);
  if (parsed.success) return value;
  const message = kind === "number" ? numberMessage(schema) : (parsed.error.issues[0]?.message ?? "is not taken");
  throw new CauceError("setting_invalid", `${where} ${message}, not "${String(given).replaceAll("\n", " ")}"`);
}

/** One sentence for all that can be wrong with a number: its kind and its bounds. */
function numberMessage(schema: z.ZodType): string {
  const { minimum, maximum } = z.toJSONSchema(schema);
  const bounded = minimum !== undefined && maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER;
  return `must be a whole number${bounded ? ` from ${minimum} to ${maximum}` : ""}`;
}

function meaningOf(schema: z.ZodType | undefined): string {
  return schema?.description ?? "";
}

/** A sentence as help has it: no capital, no full stop, no marks of Markdown. */
function inSentence(meaning: string): string {
  const text = meaning.replaceAll("`", "").replace(/\.$/, "");
  return text.charAt(0).toLowerCase() + text.slice(1);
}

/** `expectedVersion` as `expected-version`. */
function dashed(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** What is the command line's own of a command. */
export interface Drawing {
  /** In place of the operation's arguments. */
  readonly argument?: readonly [written: string, meaning: string];
  /** The flags are the fields of this operation. Default: of the command's own. */
  readonly fieldsOf?: string;
  /** Fields that the command fills by itself, and that are no flags. */
  readonly hides?: readonly string[];
  /** Flags that are no fields. */
  readonly flags?: readonly (readonly [written: string, meaning: string])[];
  run(call: CommandCall): Promise<void>;
}

/** By the operations' names. What does a command's work is loaded once it runs. */
export const drawings: Readonly<Record<string, Drawing>> = {
  place: {
    argument: ["[data]", "the order's data as JSON; - reads it from standard input"],
    flags: [["--file <file>", "file that holds the data"]],
    run: async (call) => (await import("./changing.ts")).place(call),
  },
  get: { run: async (call) => (await import("./reading.ts")).show(call) },
  list: {
    hides: ["cursor"],
    flags: [["--all", "every order, however many"]],
    run: async (call) => (await import("./reading.ts")).list(call),
  },
  queues: {
    flags: [["--watch [seconds]", "show them again every 2 seconds, or as often as given, until Ctrl+C"]],
    run: async (call) => (await import("./reading.ts")).queues(call),
  },
  failures: { run: async (call) => (await import("./reading.ts")).failures(call) },
  retry: {
    argument: ["[id]", "the order's id"],
    fieldsOf: "retryMany",
    hides: ["ids", "limit", "cursor"],
    flags: [
      ["--all", "every failed order"],
      ["--yes", "do not ask before retrying several"],
    ],
    run: async (call) => (await import("./changing.ts")).retry(call),
  },
  transition: { run: async (call) => (await import("./changing.ts")).transition(call) },
  pause: { run: async (call) => (await import("./changing.ts")).pauseOrResume(call) },
  resume: { run: async (call) => (await import("./changing.ts")).pauseOrResume(call) },
  remove: {
    flags: [["--yes", "do not ask"]],
    run: async (call) => (await import("./changing.ts")).remove(call),
  },
};

/**
 * A command for each operation that has one: its name, arguments, flags and help are the operation's. A drawing says what
 * is the command line's own: how the result is shown, and flags such as `--yes`. Without a drawing the result is JSON.
 */
export function addOrderCommands(program: Command, output: Output, operations: readonly Operation[]): void {
  const byName = new Map(operations.map((operation) => [operation.name, operation]));
  const order = Object.keys(drawings);
  const known = order.flatMap((name) => byName.get(name) ?? []);
  const others = operations.filter(({ name }) => !order.includes(name));
  for (const operation of [...known, ...others]) {
    const { name, command: words } = operation;
    if (words === null) continue;
    const drawing = drawings[name] ?? plainDrawing;
    // `retry` takes one order, or the fields of another operation for many.
    const fieldsOf = byName.get(drawing.fieldsOf ?? name) ?? operation;
    const command = remoteCommand(program, words.name ?? name, words.says, words.examples);
    const given = drawing.argument === undefined ? argumentsOf(operation) : [drawing.argument];
    for (const [argument, meaning] of given) command.argument(argument, meaning);
    for (const [flags, meaning] of flagsOf(fieldsOf, drawing.hides)) command.addOption(new Option(flags, meaning));
    if (operation.keyed) {
      command.option("--idempotency-key <key>", "repeating the command with the same key does nothing more");
    }
    for (const [flags, meaning] of drawing.flags ?? []) command.option(flags, meaning);
    command.action(async (...called: unknown[]) => {
      const values = called.slice(0, given.length) as (string | undefined)[];
      const flags = called[given.length] as Record<string, string | boolean>;
      const input = inputOf(operation, fieldsOf, drawing, values, flags);
      await drawing.run({ operation, values, input, flags, output });
    });
  }
}

const plainDrawing: Drawing = {
  run: async (call) => (await import("./changing.ts")).plainly(call),
};
