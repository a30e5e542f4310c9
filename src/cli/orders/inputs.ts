import * as z from "zod";
import { type FieldKind, fieldKind, fromText, pathFieldMeanings } from "../../api/fields.ts";
import type { Operation } from "../../api/operation.ts";
import { pathFieldOf } from "../../api/orders.ts";
import { CauceError } from "../../core/errors.ts";
import type { Drawing } from "./drawings.ts";
import { parseJson } from "./json.ts";

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
