/**
 * The commands that call a server: one for each operation that has words for the command line. A command's name,
 * arguments, flags and help are the operation's. How its result is shown, and flags such as `--yes`, are its drawing's.
 */
import { type Command, Option } from "commander";
import * as z from "zod";
import { fieldKind, fromText, pathFieldMeanings } from "../../api/fields.ts";
import type { Operation } from "../../api/operation.ts";
import { pathFieldOf, wire } from "../../api/orders.ts";
import type { Queue } from "../../client/index.ts";
import type { Order } from "../../core/order.ts";
import { counted, jsonLine, type Output, parseJson, wrongUsage } from "../output.ts";
import { type CommandCall, openClient, readKey, remoteCommand } from "./connection.ts";

type Words = readonly [written: string, meaning: string];

/** What a command has besides what follows from its operation. */
interface Drawing {
  /** In place of the operation's arguments. */
  readonly argument?: Words;
  /** The name of the operation whose fields are the flags. Default: the command's own. */
  readonly fieldsOf?: string;
  /** Fields that the command fills by itself, and that are no flags. */
  readonly hides?: readonly string[];
  /** Flags that are no fields. */
  readonly flags?: readonly Words[];
  /** Says the operation's result in a sentence. Default: the result is shown as JSON. */
  says?(result: unknown): string;
  /** Does the command's work. Default: it calls the operation and shows the result. */
  run?(call: CommandCall): Promise<void>;
}

/** Drawings by the operations' names. What does a command's work is loaded once it runs. */
const drawings: Readonly<Record<string, Drawing>> = {
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
    flags: [["--watch [seconds]", "show them again every 2 seconds, or every so many seconds, until Ctrl+C"]],
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
  transition: { says: ({ id, status }: Order) => `moved ${id}, which stands in ${status}` },
  pause: { says: ({ status, waiting }: Queue) => `${status} is paused: ${counted(waiting, "order")} waiting` },
  resume: { says: ({ status, waiting }: Queue) => `${status} is handled again: ${counted(waiting, "order")} waiting` },
  remove: {
    flags: [["--yes", "do not ask"]],
    run: async (call) => (await import("./changing.ts")).remove(call),
  },
};

/** Adds a command for each operation that has one, the drawings' first. */
export function addOrderCommands(program: Command, output: Output, operations: readonly Operation[]): void {
  const byName = new Map(operations.map((operation) => [operation.name, operation]));
  const drawn = Object.keys(drawings).flatMap((name) => byName.get(name) ?? []);
  for (const operation of new Set([...drawn, ...operations])) {
    const drawing = drawings[operation.name] ?? {};
    // `retry` takes one order, or the fields of another operation for many.
    const { input } = byName.get(drawing.fieldsOf ?? operation.name) ?? operation;
    addOrderCommand(program, output, operation, drawing, input?.().shape ?? {});
  }
}

function addOrderCommand(
  program: Command,
  output: Output,
  operation: Operation,
  drawing: Drawing,
  shape: Readonly<Record<string, z.ZodType>>,
): void {
  const { name, command: words, keyed } = operation;
  if (words === null) return;
  const { argument, hides = [], flags = [], run = (call) => callAndShow(call, drawing.says) } = drawing;
  const command = remoteCommand(program, words.name ?? name, words);

  const inPath = pathFieldOf(operation);
  const positional = [...(inPath === undefined ? [] : [inPath]), ...(words.arguments ?? [])];
  if (argument !== undefined) command.argument(...argument);
  else {
    for (const field of positional) {
      const schema = shape[field];
      const meaning = pathFieldMeanings[field] ?? schema?.description ?? "";
      command.argument(`<${field}>`, inSentence(meaning), (text: string) =>
        schema ? parseField(field, schema, text) : text,
      );
    }
  }
  const named = Object.keys(shape).filter((field) => !positional.includes(field) && !hides.includes(field));
  for (const field of named) command.addOption(optionOf(field, shape[field] as z.ZodType));
  if (keyed) command.option("--idempotency-key <key>", "repeating the command with the same key does nothing more");
  for (const [flag, meaning] of flags) command.option(flag, meaning);

  command.action(async () => {
    const flags = command.opts();
    const values = command.processedArgs;
    const fields = argument === undefined ? positional.map((field, at) => [field, values[at]]) : [];
    const given = [...fields, ...named.map((field) => [field, flags[field]])].filter(
      ([, value]) => value !== undefined,
    );
    await run({ operation, values, input: Object.fromEntries(given), flags, output });
  });
}

/** Calls the operation, and shows its result in a sentence or as JSON. */
async function callAndShow(call: CommandCall, says: Drawing["says"]): Promise<void> {
  const { operation, input, flags, output } = call;
  const client = await openClient(flags, { ...wire, [operation.name]: operation });
  const result = await client.call(operation.name, input, readKey(flags));
  output.out(flags.json || says === undefined ? jsonLine(result ?? null) : `${says(result)}\n`);
}

/** Makes a flag of a field: `--expected-version <number>` of `expectedVersion`. */
function optionOf(field: string, schema: z.ZodType): Option {
  const flag = `--${field.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  const fallback = schema instanceof z.ZodDefault ? ` (default: ${schema.def.defaultValue})` : "";
  const meaning = inSentence(schema.description ?? "") + fallback;
  const kind = fieldKind(schema);
  if (kind === "boolean") return new Option(flag, meaning);
  const option = new Option(`${flag} <${kind === "text" ? field : kind}>`, meaning);
  return option.argParser((text: string) => parseField(flag, schema, text));
}

/**
 * Parses what was typed as a field's value. `where` is the argument or flag.
 * @throws `setting_invalid`
 */
function parseField(where: string, schema: z.ZodType, text: string): unknown {
  const kind = fieldKind(schema);
  const value = kind === "json" ? parseJson(text, where, "setting_invalid") : fromText(kind, text);
  const parsed = schema.safeParse(value);
  if (parsed.success) return value;
  const message = kind === "number" ? numberMessage(schema) : (parsed.error.issues[0]?.message ?? "is not taken");
  throw wrongUsage(`${where} ${message}, not "${text.replaceAll("\n", " ")}"`);
}

/** One sentence for all that can be wrong with a number: its kind and its bounds. */
function numberMessage(schema: z.ZodType): string {
  const { minimum, maximum } = z.toJSONSchema(schema);
  const isBounded = minimum !== undefined && maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER;
  return `must be a whole number${isBounded ? ` from ${minimum} to ${maximum}` : ""}`;
}

/** A sentence as help has it: no capital, no full stop, no marks of Markdown. */
function inSentence(meaning: string): string {
  const text = meaning.replaceAll("`", "").replace(/\.$/, "");
  return text.charAt(0).toLowerCase() + text.slice(1);
}
