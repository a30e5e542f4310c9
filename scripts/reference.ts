/** Writes the pages of docs/reference that follow from the code: settings.md, from the table in src/node/settings.ts. */
import { writeFileSync } from "node:fs";
import { saysOf } from "../src/node/readSettings.ts";
import { type CommandKind, type Duty, duties, rowsOf, type Setting, type SettingReader } from "../src/node/settings.ts";

const commandNames: Readonly<Record<CommandKind, string>> = {
  start: "`cauce start`",
  sweep: "`cauce sweep`",
  backup: "`cauce backup`",
  client: "the commands that call a server",
  stack: "`cauce synth`, `deploy`, `emulate`",
};
const functionNames: Readonly<Record<Duty, string>> = { serve: "request", work: "processing", maintain: "sweep" };

const code = (text: string | null | undefined) => (text ? `\`${text}\`` : "none");

/** Who reads a setting, in words. */
function readersOf(readers: readonly SettingReader[]): string {
  const functions = duties.filter((duty) => readers.includes(duty));
  return [
    ...Object.entries(commandNames).flatMap(([kind, name]) => (readers.includes(kind as CommandKind) ? [name] : [])),
    ...(functions.length === duties.length
      ? ["every function"]
      : functions.map((duty) => `the function \`${functionNames[duty]}\``)),
    ...(readers.includes("createCauce") ? ["`createCauce`"] : []),
  ].join("; ");
}

/** A table in Markdown, its columns padded. */
function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}

/** Text of docs/reference/settings.md. */
export function settingsPage(): string {
  const told = new Set<string>();
  /** The settings that these readers read and that no table before this one has. */
  const table = (...readers: readonly SettingReader[]): string => {
    const rows = Object.entries<Setting>(rowsOf(...readers)).flatMap(([name, row]) => {
      if (told.has(name)) return [];
      told.add(name);
      const { flag, variable, unit, default: fallback, readers, meaning } = row;
      const takes = unit === undefined ? saysOf(row.takes) : `${saysOf(row.takes)}, in ${unit}`;
      return [[code(flag), code(variable), takes, code(fallback), meaning, readersOf(readers)]];
    });
    return tableOf(["flag", "variable", "takes", "default", "meaning", "read by"], rows);
  };
  const flags = Object.values<Setting>(rowsOf("sweep")).map(({ flag }) => code(flag?.replace(/ .*/, "")));
  return `# Settings

Every setting of \`cauce start\` is a flag and a variable. A flag wins over the variable, the variable over the default. Before it opens anything, the command refuses an unknown flag, an unknown variable whose name starts with \`CAUCE_\`, and a value that a setting does not take (\`setting_invalid\`, exit code 2). \`npm run reference\` writes this page from the table in \`src/node/settings.ts\`, which every reader of a setting uses.

${table("start")}

\`cauce sweep\` takes ${flags.slice(0, -1).join(", ")} and ${flags.at(-1)} too, and leaves the others alone. A setting that has no meaning with the others is refused: a role other than \`all\`, a stage other than \`dev\`, a topic's ARN or a base of queue URLs on SQLite, statuses without the role \`work\`. Region, credentials and endpoints are the AWS SDK's own variables.

## Of the commands that call a server

\`cauce place\`, \`show\`, \`list\`, \`queues\`, \`failures\`, \`retry\`, \`transition\`, \`pause\`, \`resume\`, \`remove\`, \`import\` and \`verify\` take these settings, by the same rules. One environment may serve all commands.

${table("client")}

## Of the commands that lay a workflow out on AWS

\`cauce synth\`, \`cauce deploy\` and \`cauce emulate\` take these settings, and \`--stage\`, \`--delivery\`, \`--keys\` and \`--retention-days\` from above. With \`--compute kubernetes\` there are no functions, so the commands refuse settings of functions.

${table("stack")}

## Of the functions

The functions on AWS read variables alone, which \`cauce deploy\` sets. Each refuses a variable whose name starts with \`CAUCE_\` and that no function reads.

${table(...duties)}

This is what the environment of each holds, where there is a value to tell:

${tableOf(
  ["function", "variables"],
  duties.map((duty) => [
    code(functionNames[duty]),
    Object.values<Setting>(rowsOf(duty))
      .map(({ variable }) => code(variable))
      .join(", "),
  ]),
)}

## Keys

\`CAUCE_KEYS\` has no flag, since others on the machine can read a command line. Set \`CAUCE_KEYS\` or \`CAUCE_KEYS_FILE\`, not both. \`--keys\` wins over either. [The command line](command-line.md) says how to make keys. For the same reason prefer \`CAUCE_API_KEY\` to \`--key\` on a machine that you share.

The library ([\`createCauce\`](../../src/cauce.ts)) reads no variables. Its options say what it needs.
`;
}

if (import.meta.main) writeFileSync(new URL("../docs/reference/settings.md", import.meta.url), settingsPage());
