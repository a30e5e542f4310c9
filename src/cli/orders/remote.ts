import type { Command } from "commander";
import { type Wires, wire } from "../../api/orders.ts";
import { CauceError } from "../../core/errors.ts";
import type { AnyWorkflow } from "../../core/workflow.ts";
import { httpUrlOf } from "../../http/client/address.ts";
import { createConnection } from "../../http/client/connection.ts";
import { clientOver } from "../../http/client/createClient.ts";
import { type Client, ClientError, type KeyedOptions } from "../../http/client/index.ts";
import { readQueues, type WorkflowQueues } from "../../http/client/queues.ts";
import { cauceVariables } from "../../runtime/env.ts";
import { clientSettings, readClientSettings } from "../../runtime/settings.ts";
import { addOptions, flagsOf } from "../flags.ts";

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
  addOptions(command, clientSettings);
  return command
    .option("--json", "print JSON: one document, or one line for each item of a list")
    .addHelpText("after", `\nExamples:\n${examples.map((example) => `  $ cauce ${example}`).join("\n")}`);
}

/** The server that flags and variables name. Throws `setting_invalid`. */
export function serverOf(flags: RemoteFlags): Server {
  const settings = readClientSettings(flagsOf(clientSettings, flags), cauceVariables());
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
