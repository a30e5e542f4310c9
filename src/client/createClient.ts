import { type Orders, ordersOver, pathFieldOf, reservedIdsOf, type Wires, wire } from "../api/orders.ts";
import type { CallOptions, KeyedOptions, OrdersQuery, Queue, WorkflowOf } from "../api/types.ts";
import type { ErrorCode, Fault } from "../core/errors.ts";
import type { App } from "../core/handlers.ts";
import { describeJsonFault, jsonFault } from "../core/json.ts";
import type { Order } from "../core/order.ts";
import type { AnyWorkflow } from "../core/workflow.ts";
import { ClientError } from "./clientError.ts";
import { type ClientResponse, type Connection, createConnection } from "./connection.ts";
import type { Client, ClientOptions } from "./types.ts";
import { waitFor } from "./waitFor.ts";

const iterationLimit = 200;

/**
 * Makes a client of one workflow, typed by the workflow: `createClient<typeof orders>({ url })`. Import `orders`, which
 * `defineWorkflow` or `implement` returned, as a type alone. The client opens nothing and needs no closing.
 * @throws `setting_invalid` for a URL or option that cannot work.
 */
// biome-ignore lint/suspicious/noExplicitAny: an app of any workflow; its type is invariant in it.
export function createClient<T extends AnyWorkflow | App<any> = AnyWorkflow>(
  options: ClientOptions,
): Client<WorkflowOf<T>> {
  checkOptions(options);
  // The code below works for any workflow. Only the types of this function know which one it is.
  return clientOver(options, wire) as unknown as Client<WorkflowOf<T>>;
}

/** Makes a client of any workflow, with the operations of `wires`. */
export function clientOver(options: ClientOptions, wires: Wires): Client<AnyWorkflow> {
  const connection = createConnection(options);
  const address = addressOf(options.url);
  const { workflowUrl, serverUrl, workflow } = address;
  const reserved = reservedIdsOf(wires);

  /** The URL of an operation's request, and the fields of its input that are not in the path. */
  const placed = (name: string, input: unknown) => {
    const { path, scope, takes } = wires[name] as Wires[string];
    const base = scope === "server" ? serverUrl : workflowUrl;
    const field = pathFieldOf({ path });
    if (takes === "data") return { url: base + path, rest: input };
    // Only an input that is left out means `{}`. A filter that is null must not mean every order.
    if (field === undefined) return { url: base + path, rest: input === undefined ? {} : input };
    const { [field]: value, ...rest } = Object(input) as Record<string, unknown>;
    const text = String(value);
    // Such a value would lead to another URL: a dot segment is resolved away, and a reserved word is a route of its own.
    if (["", ".", ".."].includes(text) || (path.startsWith(`/{${field}}`) && reserved.has(text))) {
      if (field === "status") throw new ClientError("status_not_found", `"${workflow}" has no status "${text}"`);
      throw new ClientError("order_not_found", `no order of "${workflow}" has the id "${text}"; check the id`);
    }
    return { url: base + path.replace(`{${field}}`, encodeURIComponent(text.toWellFormed())), rest };
  };

  const call: Orders["call"] = async (name, input, { signal, requestId, idempotencyKey }: KeyedOptions = {}) => {
    const own = Object.hasOwn(wires, name) ? wires[name] : undefined;
    if (own === undefined) {
      const names = Object.keys(wires).join(", ");
      throw new ClientError("invalid_request", `there is no operation "${name}"; there is ${names}`);
    }
    const { method, scope, takes, keyed, gives, repeat, doneOnceRefusedWith } = own;
    const { url, rest } = placed(name, input);
    if (method === "POST") refuseLost(rest, takes === "data");
    const response = await connection.send({
      method,
      url: method === "POST" ? url : url + queryOf({ ...Object(rest) }),
      body: method === "POST" ? rest : undefined,
      headers: { "x-request-id": requestId, "idempotency-key": keyed ? (idempotencyKey ?? newKey()) : undefined },
      signal,
      repeat,
      ...(doneOnceRefusedWith === undefined ? {} : { doneOnceRefusedWith }),
    });
    if (scope === "server") return rowOf(response.json as AllWorkflows<Row>, address)[name];
    if (takes === "data") return { placed: response.status === 202, order: orderIn(url, response) };
    // Nothing came because an earlier try, whose response was lost, has done it.
    if (gives === "order") return response.json === undefined ? readAgain(input) : orderIn(url, response);
    return response.json;
  };

  const readAgain = (input: unknown) => call("get", { id: (Object(input) as { id?: unknown }).id });
  const over = ordersOver(call);
  const client: Client<AnyWorkflow> = {
    ...over,
    orders: (query = {}, given) => ({ [Symbol.asyncIterator]: () => iterate(query, given) }),
    waitFor: (id, status, given) => waitFor(over, connection.clock, id, [status].flat(), given),
  };

  async function* iterate(query: OrdersQuery<AnyWorkflow>, given: CallOptions | undefined) {
    let cursor: string | undefined;
    do {
      const page = await over.list({ limit: iterationLimit, ...query, cursor }, given);
      yield* page.items;
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
  }

  return client;
}

/** One workflow's part of the response of an operation of the scope `server`. */
type Row = { readonly workflow: string } & Readonly<Record<string, unknown>>;

/** Refuses a body of which `JSON.stringify` would send null, `{}` or nothing, with the library's code and path. */
function refuseLost(body: unknown, isData: boolean): void {
  const fault = jsonFault(body);
  if (fault === undefined) return;
  const [, path] = isData ? [] : (/^results\.?(.*)$/.exec(fault.path) ?? []);
  const [code, what, found]: [ErrorCode, string, Fault] = isData
    ? ["invalid_data", "the data", fault]
    : path !== undefined
      ? ["invalid_results", "the results", { ...fault, path }]
      : ["invalid_request", "the request", fault];
  throw new ClientError(code, describeJsonFault(what, found), { faults: [found] });
}

function orderIn(url: string, { status, json }: ClientResponse): Order {
  const order = json as Order | undefined;
  if (typeof order?.id === "string") return order;
  throw new ClientError("unexpected_answer", `${url} answered ${status} without an order; check the URL`, { status });
}

function queryOf(query: Readonly<Record<string, unknown>>): string {
  const given = Object.entries(query).flatMap(([name, value]): [string, string][] =>
    value === undefined ? [] : [[name, String(value)]],
  );
  return given.length === 0 ? "" : `?${new URLSearchParams(given)}`;
}

/** Makes a key of 128 random bits. A page from plain http is no secure context and has no `crypto.randomUUID`. */
function newKey(): string {
  if (typeof crypto.randomUUID === "function") return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const known: readonly string[] = [
  "url",
  "apiKey",
  "fetch",
  "retries",
  "timeoutSeconds",
  "clock",
  "random",
] satisfies (keyof ClientOptions)[];

function checkOptions(options: ClientOptions): void {
  const refuse = (what: string): never => {
    throw new ClientError("setting_invalid", `createClient: ${what}`);
  };
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) refuse(`there is no option "${name}"; it takes ${known.join(", ")}`);
  }
  const { retries = 0, timeoutSeconds = 1 } = options;
  if (!(Number.isInteger(retries) && retries >= 0)) refuse(`retries is ${retries}; it must be a whole number from 0`);
  if (!(timeoutSeconds > 0)) refuse(`timeoutSeconds is ${timeoutSeconds}; it must be more than 0`);
}

interface Address {
  /** The workflow's URL, without a slash at its end. */
  readonly workflowUrl: string;
  /** The server's URL with the base path, without a slash at its end. */
  readonly serverUrl: string;
  readonly workflow: string;
}

/** Splits a workflow's URL into server and workflow. Throws `setting_invalid`. */
function addressOf(url: string): Address {
  const workflowUrl = httpUrlOf(url);
  const slash = workflowUrl.lastIndexOf("/");
  const workflow = workflowUrl.slice(slash + 1);
  if (!/^[a-z][A-Za-z0-9]{0,39}$/.test(workflow) || new URL(workflowUrl).pathname === "/") {
    throw new ClientError(
      "setting_invalid",
      `the URL "${url}" must end in the workflow's name, such as http://127.0.0.1:3000/orders`,
    );
  }
  return { workflowUrl, serverUrl: workflowUrl.slice(0, slash), workflow };
}

/** Checks a URL and removes slashes at its end. Throws `setting_invalid` unless it is a plain http or https URL. */
export function httpUrlOf(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const plain =
    parsed !== undefined &&
    /^https?:$/.test(parsed.protocol) &&
    `${parsed.search}${parsed.hash}${parsed.username}` === "";
  if (!plain) {
    throw new ClientError(
      "setting_invalid",
      `the URL "${url}" must be an http or https address, without credentials, query or fragment`,
    );
  }
  return parsed.href.replace(/\/+$/, "");
}

/** The response of an operation of the scope `server`: a row for each workflow, with the result under the operation's name. */
interface AllWorkflows<Row extends { readonly workflow: string } = { readonly workflow: string }> {
  readonly workflows: readonly Row[];
}

export interface WorkflowQueues {
  readonly workflow: string;
  readonly queues: readonly Queue[];
}

/** Reads the queues of every workflow that a server serves. */
export async function readQueues(connection: Connection, serverUrl: string): Promise<readonly WorkflowQueues[]> {
  const { method, path, repeat } = wire.queues;
  const { json } = await connection.send({ method, url: serverUrl + path, repeat });
  return (json as AllWorkflows<WorkflowQueues>).workflows;
}

/** Finds the row of one workflow. Throws `workflow_not_found`. */
export function rowOf<Row extends { readonly workflow: string }>(
  { workflows }: AllWorkflows<Row>,
  { workflow, serverUrl }: Pick<Address, "workflow" | "serverUrl">,
): Row {
  const own = workflows.find((one) => one.workflow === workflow);
  if (own !== undefined) return own;
  const names = workflows.map((one) => one.workflow).join(", ");
  throw new ClientError("workflow_not_found", `no workflow "${workflow}" is served at ${serverUrl}; there is ${names}`);
}
