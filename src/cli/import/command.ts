import { type Command, Option } from "commander";
import { parseAs } from "../../node/readSettings.ts";
import { addCommand, addSettings, type Output, readFlagFile, wrongUsage } from "../output.ts";
import { chooseWorkflow, findServer, type RemoteFlags } from "../remote/connection.ts";
import type { ImportOptions } from "./importFile.ts";
import { type Column, parseMap, parseMapping } from "./mapping.ts";
import type { Format } from "./rows.ts";

type Flags = RemoteFlags &
  Omit<ImportOptions, "file" | "target" | "format"> & {
    readonly envelopes?: boolean;
    readonly csv?: boolean;
    readonly delimiter?: string;
    readonly map?: readonly Column[];
    readonly mapping?: string;
  };

const sourceName = { pattern: /^[!#-[\]-~]{1,200}$/, says: '1 to 200 visible ASCII characters without " and \\' };
const seconds = { pattern: /^\d{1,6}$/, says: "a whole number of seconds" };
const cellEnd = { pattern: /^[^"\n\r]$/u, says: "one character other than a quote, or tab" };

/** `cauce import`. What does its work is loaded once it runs. */
export function addImportCommand(program: Command, output: Output): void {
  const command = addCommand(program, "import", {
    says: "Places the lines of a file, and goes on where it was interrupted.",
    notes: `A line's key is made of the file's content and the line's number: the same file
imported twice places nothing twice. At SIGINT or SIGTERM the import waits for the
answers to the lines that it has sent. The same command then goes on from there.
Exit codes: 0 every line is placed, 1 lines were refused or the import failed, 130
and 143 a signal interrupted it.`,
    examples: [
      "import orders.ndjson",
      "import orders.csv --map customer=customerId --map qty:number=items.0.quantity",
      "import old.ndjson --envelopes --url https://shop.example --workflow orders",
    ],
  }).argument("<file>", "lines of JSON, or CSV; - reads standard input");
  addSettings(command, "client")
    .option("--json", "print one last line of JSON")
    .option("--envelopes", 'each line is { "idempotencyKey"?, "data" }, and not the data itself')
    .option("--csv", "the file is CSV, whatever its name")
    .option("--delimiter <character>", "character between the cells of CSV; tab for a tab (default: a comma)")
    .option(
      "--map <header=path>",
      "column of CSV and where it goes, such as qty:number=items.0.quantity; repeatable",
      (map: string, maps: readonly Column[] = []) => [...maps, parseMap(map)],
    )
    .addOption(new Option("--mapping <file>", "file of JSON with the columns, in place of --map").conflicts("map"))
    .option(
      "--source <name>",
      "name that the lines' idempotency keys are made of (default: the file's content)",
      (text) => parseAs(sourceName, text, "--source"),
    )
    .option("--restart", "begin at the first line, even if an earlier run was interrupted")
    .option("--progress <file>", "file that says how far the import is (default: FILE.cauce-progress)")
    .option("--refused <file>", "file for the lines that are refused (default: FILE.refused.ndjson)")
    .addOption(
      new Option("--retry-seconds <seconds>", "how long to try again without an answer to any line")
        .argParser((text) => Number(parseAs(seconds, text, "--retry-seconds")))
        .default(60),
    )
    .action(async (file: string, flags: Flags) => {
      const format = chooseFormat(file, flags);
      const server = findServer(flags);
      const target = { url: `${server.url}/${await chooseWorkflow(server)}`, key: server.key };
      const [{ importFile }, { signalled }] = await Promise.all([
        import("./importFile.ts"),
        import("../../node/server.ts"),
      ]);
      const stopping = new AbortController();
      const ended = new AbortController();
      void signalled(ended.signal).then((signal) => stopping.abort(signal));
      const terminal = process.stderr.isTTY ? process.stderr : undefined;
      const surroundings = { output, terminal, stdin: process.stdin, stop: stopping.signal };
      // What is left is to wait for the reader of the output, which a signal ends as it ends any program.
      await importFile({ ...flags, file, target, format }, surroundings).finally(() => ended.abort());
    });
}

function chooseFormat(file: string, flags: Flags): Format {
  const { envelopes, csv, delimiter, map, mapping } = flags;
  if (csv !== true && !file.toLowerCase().endsWith(".csv")) {
    const [given] = Object.entries({ map, mapping, delimiter }).filter(([, value]) => value !== undefined);
    if (given !== undefined) throw wrongUsage(`--${given[0]} is for CSV; give --csv as well`);
    return { kind: envelopes ? "envelopes" : "data" };
  }
  if (envelopes) throw wrongUsage("--envelopes is for lines of JSON, and this is CSV");
  const columns = mapping === undefined ? map : parseMapping(readFlagFile("--mapping", mapping), mapping);
  return {
    kind: "csv",
    delimiter: delimiter === "tab" ? "\t" : parseAs(cellEnd, delimiter ?? ",", "--delimiter"),
    columns,
  };
}
