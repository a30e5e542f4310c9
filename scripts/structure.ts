/** Prints how files, lines and functions are spread over the rooms of `src`. `--help` says how. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { groupDigits, plainTable } from "./plainTable.ts";
import { type Longest, longFunctions, measureFiles, type Room, sumFiles, sumRooms } from "./structure/measure.ts";

const help = `Usage: npm run structure -- [options]

Prints for each room of src (a folder) its files, its lines without comments and
blank lines, all its lines, its longest file and its longest function, in lines.
A room's row includes the rooms that are indented below it.

  --at DIR          src of another checkout (default: of this one)
  --functions N     also lists the functions that are longer than N lines
  --help            this text

A function is every declaration, expression, arrow or method with a body, from its
first line to its last. A factory that returns a literal counts as a whole.

Exit codes: 0 printed, 2 wrong usage.

Examples:
  npm run structure
  npm run structure -- --at ../before --functions 70
`;

interface Options {
  readonly at: string;
  readonly functionLinesMax: number | undefined;
}

function readOptions(args: string[]): Options | "help" {
  const { values } = parseArgs({
    args,
    options: {
      help: { type: "boolean", default: false },
      at: { type: "string", default: fileURLToPath(new URL("..", import.meta.url)) },
      functions: { type: "string" },
    },
  });
  if (values.help) return "help";
  const at = resolve(values.at);
  if (!existsSync(join(at, "src"))) throw new Error(`--at is "${values.at}"; give a checkout, which has a folder src`);
  if (values.functions === undefined) return { at, functionLinesMax: undefined };
  if (!/^\d{1,6}$/.test(values.functions)) {
    throw new Error(`--functions is "${values.functions}"; give a whole number from 0 to 999999`);
  }
  return { at, functionLinesMax: Number(values.functions) };
}

function longestCells({ lines, name }: Longest): string[] {
  return lines === 0 ? ["", ""] : [groupDigits(lines), name];
}

function rowOf(name: string, { files, codeLines, lines, longestFile, longestFunction }: Room): string[] {
  const counts = [files, codeLines, lines].map(groupDigits);
  return [name, ...counts, ...longestCells(longestFile), ...longestCells(longestFunction)];
}

function nameRoom({ path, depth }: Room): string {
  return path === "" ? "(in src itself)" : `${"  ".repeat(depth)}${path.split("/").at(-1)}`;
}

function print({ at, functionLinesMax }: Options): void {
  const files = measureFiles(join(at, "src"));
  const rooms = sumRooms(files).map((room) => rowOf(nameRoom(room), room));
  const head = ["room", "files", "code", "lines", "", "longest file", "", "longest function"];
  console.log(plainTable(head, [1, 2, 3, 4, 6], [...rooms, rowOf("src", sumFiles("", files))]));
  if (functionLinesMax === undefined) return;
  const long = longFunctions(files, functionLinesMax);
  console.log(`\n${groupDigits(long.length)} functions are longer than ${groupDigits(functionLinesMax)} lines`);
  const functions = long.map(({ lines, name, path, line }) => [groupDigits(lines), name, `src/${path}:${line}`]);
  if (long.length > 0) console.log(plainTable(["lines", "function", "at"], [0], functions));
}

let options: Options | "help";
try {
  options = readOptions(process.argv.slice(2));
} catch (error) {
  console.error(`${(error as Error).message}\n\n${help}`);
  process.exit(2);
}
if (options === "help") console.log(help);
else print(options);
