/** The server that a command calls, as its flags and variables name it. */
import type { Command } from "commander";
import type { Operation } from "../../api/operation.ts";
import { type Wires, wire } from "../../api/orders.ts";
import { createConnection } from "../../client/connection.ts";
import { clientOver, httpUrlOf, readQueues, type WorkflowQueues } from "../../client/createClient.ts";
import { type Client, ClientError, type KeyedOptions, type OrderOf } from "../../client/index.ts";
import type { AnyWorkflow } from "../../core/workflow.ts";
import { addCommand, addSettings, givenSettings, type Output, plain, wrongUsage } from "../output.ts";

/** Flags of every command that calls a server, by their names in camelCase. */
export type RemoteFlags = Readonly<Record<string, unknown>>;

/** One run of a command. */
export interface CommandCall {
  readonly operation: Operation;
  /** The arguments as they were typed. */
  readonly values: readonly (string | undefined)[];
  /** The fields that were given, as the operation takes them. */
  readonly input: Readonly<Record<string, unknown>>;
  /** Every flag, by its name in camelCase. */
  readonly flags: RemoteFlags;
  readonly output: Output;
}

/** Adds a command that calls a server. */
export function remoteCommand(...[program, usage, help]: Parameters<typeof addCommand>): Command {
  return addSettings(addCommand(program, usage, help), "client").option(
    "--json",
    "print JSON: one document, or one line for each item of a list",
  );
}

export type Server = ReturnType<typeof findServer>;

// A person waits for the answer, and a script repeats the command.
const retries = 2;

/**
 * Finds the server that flags and variables name.
 * @throws `setting_invalid`
 */
export function findServer(flags: RemoteFlags) {
  const settings = givenSettings("client", flags);
  const url = httpUrlOf(settings.url);
  const options = { apiKey: settings.key, retries };
  return {
    url,
    key: settings.key,
    /** The workflow that was asked for; undefined for none. */
    workflow: settings.workflow,
    queues: (): Promise<readonly WorkflowQueues[]> => readQueues(createConnection(options), url),
    /** Reads what the server says of its own API: its OpenAPI document. */
    async document(): Promise<unknown> {
      const sent = { method: "GET", url: `${url}/openapi.json`, repeat: "always" } as const;
      return (await createConnection(options).send(sent)).json;
    },
    /** Makes a client whose calls are those of `wires`. Default: every operation's. */
    client: (workflow: string, wires: Wires = wire): Client<AnyWorkflow> =>
      clientOver({ url: `${url}/${workflow}`, ...options }, wires),
  };
}

/** Makes a client of the workflow that was asked for, or of the server's only one. */
export async function openClient(flags: RemoteFlags, wires?: Wires): Promise<Client<AnyWorkflow>> {
  const server = findServer(flags);
  return server.client(await chooseWorkflow(server), wires);
}

/**
 * Chooses the workflow that was asked for, or the server's only one.
 * @throws `setting_invalid` if the server has several; `forbidden`
 */
export async function chooseWorkflow(server: Server): Promise<string> {
  if (server.workflow !== undefined) return server.workflow;
  const rows = await server.queues().catch((error: unknown) => {
    // A key that may only place orders may not ask which workflows there are.
    if (!(error instanceof ClientError && error.code === "forbidden")) throw error;
    throw new ClientError("forbidden", `${error.message}; give the workflow with --workflow`, { status: 403 });
  });
  const names = rows.map(({ workflow }) => workflow);
  const [only, ...others] = names;
  if (only !== undefined && others.length === 0) return only;
  throw wrongUsage(`${server.url} serves ${names.join(", ")}; choose one with --workflow NAME`);
}

/**
 * Reads an order.
 * @throws `order_not_found`
 */
export async function findOrder(client: Client<AnyWorkflow>, id: string): Promise<OrderOf<AnyWorkflow>> {
  const order = await client.get(id);
  if (order !== undefined) return order;
  throw new ClientError("order_not_found", `no order has the id "${plain(id)}"; check the id`);
}

/** What a repeated command shares with its first run. */
export function readKey({ idempotencyKey }: RemoteFlags): KeyedOptions {
  return typeof idempotencyKey === "string" ? { idempotencyKey } : {};
}
