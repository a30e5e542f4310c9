import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { CauceError } from "../../core/errors.ts";
import type { Output } from "../output.ts";
import { addSettings } from "../output.ts";
import type { Format } from "./lines.ts";
import { type Column, parseMap, parseMapping } from "./rows.ts";
import { targetOf } from "./sender.ts";

interface Flags extends Readonly<Record<string, unknown>> {
  readonly envelopes?: boolean;
  readonly csv?: boolean;
  readonly delimiter?: string;
  readonly map?: readonly string[];
  readonly mapping?: string;
  readonly source?: string;
  readonly restart?: boolean;
  readonly progress?: string;
  readonly refused?: string;
  readonly retrySeconds: string;
  readonly json?: boolean;
}

/** `cauce import`. What does its work is loaded once it runs. */
export function addImportCommand(program: Command, output: Output): void {
  const command = program
    .command("import")
    .description("Places the lines of a file, and goes on where it was interrupted.")
    .argument("<file>", "lines of JSON, or CSV; - reads standard input");
  addSettings(command, "client");
  command
    .option("--json", "print one last line of JSON")
    .option("--envelopes", 'each line is { "idempotencyKey"?, "data" }, and not the data itself')
    .option("--csv", "the file is CSV, also where its name does not end in .csv")
    .option("--delimiter <character>", "between the cells of CSV, or tab (default: a comma)")
    .option(
      "--map <header=path>",
      "column of CSV and where it goes, such as qty:number=items.0.quantity; repeatable",
      (map: string, maps: readonly string[] = []) => [...maps, map],
    )
    .option("--mapping <file>", "the same in a file of JSON")
    .option("--source <name>", "what the keys of the lines are made of (default: the file's content)")
    .option("--restart", "begin at the first line, whatever an earlier run left")
    .option("--progress <file>", "where it notes how far it is (default: FILE.cauce-progress)")
    .option("--refused <file>", "where refused lines go (default: FILE.refused.ndjson)")
    .option("--retry-seconds <seconds>", "how long it tries without an answer", "60")
    .addHelpText(
      "after",
      `
A line's key is made of the file's content and the line's number: the same file
imported twice places nothing twice. SIGINT or SIGTERM: what was sent is answered
first, and the same command goes on from there.
Exit codes: 0 every line is placed, 1 lines were refused or a failure, 130 and 143
interrupted.

Examples:
  $ cauce import orders.ndjson
  $ cauce import orders.csv --map customer=customerId --map qty:number=items.0.quantity
  $ cauce import old.ndjson --envelopes --url https://shop.example --workflow orders`,
    )
    .action(async (file: string, flags: Flags) => run(file, flags, output));
}

async function run(file: string, flags: Flags, output: Output): Promise<void> {
  const format = formatOf(file, flags);
  const retrySeconds = Number(flags.retrySeconds);
  if (!/^\d{1,6}$/.test(flags.retrySeconds)) refuse("--retry-seconds", "a whole number of seconds", flags.retrySeconds);
  if (flags.source !== undefined && !/^[!#-[\]-~]{1,200}$/.test(flags.source)) {
    refuse("--source", '1 to 200 visible ASCII characters without " and \\', flags.source);
  }
  const target = await targetOf(flags);
  const [{ importFile }, { signalled }] = await Promise.all([
    import("./importFile.ts"),
    import("../../node/server.ts"),
  ]);
  const stopping = new AbortController();
  void signalled().then((signal) => stopping.abort(signal));
  await importFile(
    {
      file,
      target,
      format,
      source: flags.source,
      restart: flags.restart === true,
      progressFile: flags.progress,
      refusedFile: flags.refused,
      retrySeconds,
      json: flags.json === true,
    },
    {
      output,
      terminal: process.stderr.isTTY ? process.stderr : undefined,
      stdin: process.stdin,
      stop: stopping.signal,
    },
  );
}

function formatOf(file: string, flags: Flags): Format {
  const csv = flags.csv === true || file.toLowerCase().endsWith(".csv");
  const { map, mapping, delimiter } = flags;
  if (!csv) {
    const [given] = Object.entries({ "--map": map, "--mapping": mapping, "--delimiter": delimiter }).filter(
      ([, value]) => value !== undefined,
    );
    if (given !== undefined) throw new CauceError("setting_invalid", `${given[0]} is for CSV; give --csv as well`);
    return { kind: flags.envelopes ? "envelopes" : "data" };
  }
  if (flags.envelopes) throw new CauceError("setting_invalid", "--envelopes is for lines of JSON, and this is CSV");
  if (map !== undefined && mapping !== undefined) {
    throw new CauceError("setting_invalid", "--map and --mapping are both given; keep one of them");
  }
  const character = delimiter === "tab" ? "\t" : (delimiter ?? ",");
  if (!/^[^"\n\r]$/u.test(character)) refuse("--delimiter", "one character other than a quote, or tab", character);
  return { kind: "csv", delimiter: character, columns: columnsOf(map, mapping) };
}

function columnsOf(map: readonly string[] | undefined, mapping: string | undefined): Column[] | undefined {
  if (mapping === undefined) return map?.map(parseMap);
  let text: string;
  try {
    text = readFileSync(mapping, "utf8");
  } catch (error) {
    const { code = String(error) } = error as NodeJS.ErrnoException;
    throw new CauceError("setting_invalid", `--mapping ${mapping} cannot be read (${code}); check the path`);
  }
  return parseMapping(text, mapping);
}

function refuse(flag: string, what: string, given: string): never {
  throw new CauceError("setting_invalid", `${flag} must be ${what}, not "${given}"`);
}
