import { CauceError } from "../core/errors.ts";
import { nearest } from "./nearest.ts";
import type { Setting } from "./setting.ts";

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
