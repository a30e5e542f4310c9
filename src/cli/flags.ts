import { type Command, Option } from "commander";
import type { Setting } from "../runtime/setting.ts";

type Table = Readonly<Record<string, Setting>>;

/** Gives a command a flag for each setting that has one. */
export function addOptions(command: Command, table: Table): void {
  for (const { flag, variable, default: fallback, meaning, repeatable } of Object.values(table)) {
    if (flag === null) continue;
    const notes = [...(fallback === null || !flag.includes("<") ? [] : [`default: ${fallback}`]), variable];
    const option = new Option(flag, `${meaning.replaceAll("`", "")} (${notes.join("; ")})`);
    if (repeatable) option.argParser((value, before) => (before === undefined ? value : `${before},${value}`));
    command.addOption(option);
  }
}

/** The flags that were given, as text by the settings' names; commander names them after the flags. */
export function flagsOf<T extends Table>(
  table: T,
  given: Readonly<Record<string, unknown>>,
): Partial<Record<keyof T & string, string>> {
  const flags: Partial<Record<keyof T & string, string>> = {};
  for (const [name, { flag }] of Object.entries(table) as [keyof T & string, Setting][]) {
    const value = flag === null ? undefined : given[new Option(flag).attributeName()];
    if (value !== undefined) flags[name] = String(value);
  }
  return flags;
}
