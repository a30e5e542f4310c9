import { type Command, Option } from "commander";
import type { Operation } from "../../api/operation.ts";
import type { Output } from "../report.ts";
import { type Drawing, drawings } from "./drawings.ts";
import { argumentsOf, flagsOf, inputOf } from "./inputs.ts";
import { remoteCommand } from "./remote.ts";

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
  run: async (call) => (await import("./plain.ts")).plainly(call),
};
