import { styleText } from "node:util";
import type { Command } from "commander";
import type { Operation } from "../../api/operation.ts";
import { type Wires, wire } from "../../api/orders.ts";
import { createConnection } from "../../client/connection.ts";
import { clientOver, httpUrlOf, readQueues, type WorkflowQueues } from "../../client/createClient.ts";
import { type Client, ClientError, type KeyedOptions } from "../../client/index.ts";
import { CauceError } from "../../core/errors.ts";
import type { AnyWorkflow } from "../../core/workflow.ts";
import { addSettings, givenSettings, type Output } from "../output.ts";

/** One run of a command. */
export interface CommandCall {
  readonly operation: Operation;
  /** The arguments as they were typed. */
  readonly values: readonly (string | undefined)[];
  /** The fields that were given, as the operation takes them. */
  readonly input: Readonly<Record<string, unknown>>;
  /** Every flag, by its name in camelCase. */
  readonly flags: Readonly<Record<string, string | boolean>>;
  readonly output: Output;
}

/** What every command that calls a server takes. */
export type RemoteFlags = Readonly<Record<string, unknown>>;

export interface Server {
  readonly url: string;
  readonly key: string | undefined;
  /** The workflow that was asked for; undefined for none. */
  readonly workflow: string | undefined;
  queues(): Promise<readonly WorkflowQueues[]>;
  /** What the server says of its own API: its OpenAPI document. */
  document(): Promise<unknown>;
  /** Its calls are those of `wires`; default: every operation's. */
  client(workflow: string, wires?: Wires): Client<AnyWorkflow>;
}

/** What a repeated command shares with its first run. */
export function keyOf(flags: RemoteFlags): KeyedOptions {
  const { idempotencyKey } = flags;
  return typeof idempotencyKey === "string" ? { idempotencyKey } : {};
}

// A person waits for the answer, and a script repeats the command.
const retries = 2;

/** A command that calls a server. */
export function remoteCommand(
  program: Command,
  usage: string,
  description: string,
  examples: readonly string[],
): Command {
  const command = program.command(usage).description(description);
  addSettings(command, "client");
  return command
    .option("--json", "print JSON: one document, or one line for each item of a list")
    .addHelpText("after", `\nExamples:\n${examples.map((example) => `  $ cauce ${example}`).join("\n")}`);
}

/** The server that flags and variables name. Throws `setting_invalid`. */
export function serverOf(flags: RemoteFlags): Server {
  const settings = givenSettings("client", flags);
  const url = httpUrlOf(settings.url);
  const options = { apiKey: settings.key, retries };
  return {
    url,
    key: settings.key,
    workflow: settings.workflow,
    queues: () => readQueues(createConnection(options), url),
    async document() {
      const sent = { method: "GET", url: `${url}/openapi.json`, repeat: "always" } as const;
      return (await createConnection(options).send(sent)).json;
    },
    client: (workflow, wires = wire) => clientOver({ url: `${url}/${workflow}`, ...options }, wires),
  };
}

/** The client of the workflow that was asked for, or of the only one that the server has. */
export async function clientOf(flags: RemoteFlags, wires?: Wires): Promise<Client<AnyWorkflow>> {
  const server = serverOf(flags);
  return server.client(server.workflow ?? (await onlyWorkflow(server)), wires);
}

/** The only workflow of a server. */
export async function onlyWorkflow(server: Server): Promise<string> {
  const names = await server.queues().then(
    (workflows) => workflows.map(({ workflow }) => workflow),
    (error: unknown) => {
      // Who may only place orders may not ask which workflows there are.
      if (!(error instanceof ClientError && error.code === "forbidden")) throw error;
      throw new ClientError("forbidden", `${error.message}; give the workflow with --workflow`, { status: 403 });
    },
  );
  const [only, ...others] = names;
  if (only !== undefined && others.length === 0) return only;
  throw new CauceError("setting_invalid", `${server.url} serves ${names.join(", ")}; choose one with --workflow NAME`);
}

/** The value of a JSON text; one that is no JSON throws with `code`, naming where it came from. */
export function parseJson(text: string, where: string, code: "invalid_json" | "setting_invalid"): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new CauceError(code, `${where} is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** How commands show things to people. What comes from orders may hold anything; only `plain` text reaches a terminal. */

/** Text on one line, without the control characters that could move a terminal's cursor or colour it. */
export function plain(text: string): string {
  return text.replace(/\p{Cc}+/gu, " ").toWellFormed();
}

export function cut(text: string, longest: number): string {
  return text.length > longest ? `${text.slice(0, longest - 1).trimEnd()}…` : text;
}

/** A length of time in its two largest units: `850 ms`, `3 min 20 s`, `2 d 4 h`. */
export function duration(milliseconds: number): string {
  if (milliseconds < 1_000) return `${Math.max(0, Math.round(milliseconds))} ms`;
  if (milliseconds < 10_000) return `${(Math.floor(milliseconds / 100) / 10).toFixed(1)} s`;
  let rest = Math.floor(milliseconds / 1_000);
  const parts: string[] = [];
  for (const [seconds, unit] of units) {
    const count = Math.floor(rest / seconds);
    rest -= count * seconds;
    if (count > 0) parts.push(`${count} ${unit}`);
    else if (parts.length > 0) break;
  }
  return parts.slice(0, 2).join(" ");
}

const units = [
  [86_400, "d"],
  [3_600, "h"],
  [60, "min"],
  [1, "s"],
] as const;

export type Style = "bold" | "dim" | "red" | "yellow" | "green";

/** Text in a style, where the output has colours. */
export function styled(output: Output, style: Style, text: string): string {
  return output.colours ? styleText(style, text, { validateStream: false }) : text;
}

/** A column's heading; numbers stand to the right. */
export interface Column {
  readonly name: string;
  readonly align?: "left" | "right";
}

const noBorders = Object.fromEntries(
  [
    ...["top", "top-mid", "top-left", "top-right", "bottom", "bottom-mid", "bottom-left", "bottom-right"],
    ...["left", "left-mid", "mid", "mid-mid", "right", "right-mid"],
  ].map((place) => [place, ""]),
);

/** Rows under headings, without borders: what `cut` and `awk` can take apart, too. */
export async function table(
  output: Output,
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): Promise<string> {
  // Loaded late: `cauce start` draws none.
  const { default: Table } = await import("cli-table3");
  const drawn = new Table({
    head: columns.map(({ name }) => styled(output, "bold", name)),
    colAligns: columns.map(({ align }) => align ?? "left"),
    chars: { ...noBorders, middle: "  " },
    style: { head: [], border: [], "padding-left": 0, "padding-right": 0 },
  });
  drawn.push(...rows.map((row) => [...row]));
  const lines = drawn.toString().split("\n");
  return `${lines.map((line) => line.trimEnd()).join("\n")}\n`;
}

export function jsonLine(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}

/** `1 order`, `2 orders`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
