import { type Orders, ordersOver, pathFieldOf, reservedIdsOf, type Wires, wire } from "../../api/orders.ts";
import type { CallOptions, KeyedOptions, OrdersQuery, WorkflowOf } from "../../api/types.ts";
import type { App } from "../../core/handlers.ts";
import type { Order } from "../../core/order.ts";
import type { AnyWorkflow } from "../../core/workflow.ts";
import { addressOf } from "./address.ts";
import { ClientError } from "./clientError.ts";
import { type Answered, createConnection } from "./connection.ts";
import { type AllWorkflows, rowOf } from "./queues.ts";
import type { Client, ClientOptions } from "./types.ts";
import { waitFor } from "./waitFor.ts";

const iterationLimit = 200;

/**
 * A client of one workflow, typed by it: `createClient<typeof orders>({ url })`, where `orders` is what
 * `defineWorkflow` or `implement` returned and is imported as a type alone. Opens nothing and needs no closing.
 * Throws `setting_invalid` for a URL or option that cannot work.
 */
// biome-ignore lint/suspicious/noExplicitAny: an app of any workflow; its type is invariant in it.
export function createClient<T extends AnyWorkflow | App<any> = AnyWorkflow>(
  options: ClientOptions,
): Client<WorkflowOf<T>> {
  checkOptions(options);
  // Everything below is about any workflow at all; the types outside are all that knows which.
  return clientOver(options, wire) as unknown as Client<WorkflowOf<T>>;
}

/** A client of any workflow whose calls are those of `wires`. */
export function clientOver(options: ClientOptions, wires: Wires): Client<AnyWorkflow> {
  const connection = createConnection(options);
  const address = addressOf(options.url);
  const { workflowUrl, serverUrl, workflow } = address;
  const reserved = reservedIdsOf(wires);

  /** Where an operation's request goes, and the fields of its input that are not in the path. */
  const placed = (name: string, input: unknown) => {
    const { path, scope, takes } = wires[name] as Wires[string];
    const base = scope === "server" ? serverUrl : workflowUrl;
    const field = pathFieldOf({ path });
    if (takes === "data") return { url: base + path, rest: input };
    // Only what is left out is empty: a filter that is null must not mean every order.
    if (field === undefined) return { url: base + path, rest: input === undefined ? {} : input };
    const { [field]: value, ...rest } = Object(input) as Record<string, unknown>;
    const text = String(value);
    // What URLs resolve away, and the routes' own words where an id would be, would lead elsewhere.
    if (["", ".", ".."].includes(text) || (path.startsWith(`/{${field}}`) && reserved.has(text))) {
      if (field === "status") throw new ClientError("status_not_found", `"${workflow}" has no status "${text}"`);
      throw new ClientError("order_not_found", `no order of "${workflow}" has the id "${text}"; check the id`);
    }
    return { url: base + path.replace(`{${field}}`, encodeURIComponent(text.toWellFormed())), rest };
  };

  const call: Orders["call"] = async (name, input, { signal, requestId, idempotencyKey }: KeyedOptions = {}) => {
    const own = Object.hasOwn(wires, name) ? wires[name] : undefined;
    if (own === undefined || own.streams) {
      const names = Object.keys(wires)
        .filter((each) => !wires[each]?.streams)
        .join(", ");
      throw new ClientError("invalid_request", `there is no operation "${name}"; there is ${names}`);
    }
    const { method, scope, takes, keyed, repeat, doneOnceRefusedWith } = own;
    const { url, rest } = placed(name, input);
    const answer = await connection.send({
      method,
      // A DELETE takes no fields, and the server says so of those it is given.
      url: method === "POST" ? url : url + queryOf({ ...Object(rest) }),
      body: method === "POST" ? rest : undefined,
      headers: { "x-request-id": requestId, "idempotency-key": keyed ? (idempotencyKey ?? newKey()) : undefined },
      signal,
      repeat,
      ...(doneOnceRefusedWith === undefined ? {} : { doneOnceRefusedWith }),
    });
    if (scope === "server") return rowOf(answer.json as AllWorkflows<Row>, address)[name];
    return takes === "data" ? { placed: answer.status === 202, order: orderIn(url, answer) } : answer.json;
  };

  const over = ordersOver(call);
  const client: Client<AnyWorkflow> = {
    ...over,
    async transition(id, wanted, given) {
      const json = (await over.transition(id, wanted, given)) as unknown;
      return orderIn(placed("transition", { id }).url, { status: 200, json });
    },
    async retry(id, given) {
      // Nothing where a try whose answer was lost had started the order again.
      const order = ((await over.retry(id, given)) as Order | undefined) ?? (await over.get(id, given));
      if (order !== undefined) return order;
      throw new ClientError("order_not_found", `no order has the id "${id}"; it was removed meanwhile`);
    },
    orders: (query = {}, given) => ({ [Symbol.asyncIterator]: () => iterate(query, given) }),
    waitFor: (id, status, { timeoutSeconds, signal, ...given } = {}) =>
      waitFor(
        {
          clock: connection.clock,
          get: (id, signal) => over.get(id, { ...given, signal }),
          openStatuses: async (signal) => (await over.queues({ ...given, signal })).map((queue) => queue.status),
        },
        id,
        [status].flat(),
        { timeoutSeconds, signal },
      ),
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

/** One workflow's part of what an operation of the whole server answers. */
type Row = { readonly workflow: string } & Readonly<Record<string, unknown>>;

function orderIn(url: string, { status, json }: Answered): Order {
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

/** 128 random bits. `crypto.randomUUID` is there only in a secure context, which a page from plain http is not. */
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
