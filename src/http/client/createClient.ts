import type { App } from "../../core/handlers.ts";
import type { Order } from "../../core/order.ts";
import type { AnyWorkflow } from "../../core/workflow.ts";
import { addressOf, orderUrlOf } from "./address.ts";
import { ClientError } from "./clientError.ts";
import { type Answered, createConnection, type Sent } from "./connection.ts";
import { readQueues } from "./queues.ts";
import type { CallOptions, Client, ClientOptions, KeyedOptions, OrdersQuery, WorkflowOf } from "./types.ts";
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
  return clientOf(options) as unknown as Client<WorkflowOf<T>>;
}

function clientOf(options: ClientOptions): Client<AnyWorkflow> {
  const address = addressOf(options.url);
  const connection = createConnection(options);
  const { workflowUrl, serverUrl, workflow } = address;

  const read = async <T>(url: string, given: CallOptions = {}): Promise<T> =>
    (await connection.send({ method: "GET", url, ...common(given), repeat: "always" })).json as T;
  const post = (url: string, body: unknown, given: CallOptions, how: Pick<Sent, "repeat" | "doneOnceRefusedWith">) =>
    connection.send({ method: "POST", url, body, ...common(given), ...how });
  const postKeyed = (url: string, body: unknown, { idempotencyKey = newKey(), ...given }: KeyedOptions) => {
    const { headers, ...others } = common(given);
    return connection.send({
      method: "POST",
      url,
      body,
      headers: { ...headers, "idempotency-key": idempotencyKey },
      ...others,
      repeat: "always",
    });
  };
  const switchQueue = async (status: string, verb: "pause" | "resume", given: CallOptions) => {
    const url = `${workflowUrl}/queues/${encodeURIComponent(status)}/${verb}`;
    return (await post(url, undefined, given, { repeat: "always" })).json as never;
  };

  const client: Client<AnyWorkflow> = {
    async place(data, given = {}) {
      const answer = await postKeyed(workflowUrl, data, given);
      return { placed: answer.status === 202, order: orderIn(workflowUrl, answer) };
    },
    async get(id, given) {
      try {
        return await read<Order>(orderUrlOf(address, id), given);
      } catch (error) {
        if (error instanceof ClientError && error.code === "order_not_found") return undefined;
        throw error;
      }
    },
    stored: (id, given) => read(`${orderUrlOf(address, id)}/stored`, given),
    list: (query = {}, given) => read(`${workflowUrl}${queryOf({ ...query })}`, given),
    orders: (query = {}, given) => ({ [Symbol.asyncIterator]: () => iterate(query, given) }),
    async transition(id, transition, given = {}) {
      const url = `${orderUrlOf(address, id)}/transitions`;
      return orderIn(url, await postKeyed(url, transition, given));
    },
    async retry(id, given = {}) {
      const url = `${orderUrlOf(address, id)}/retry`;
      const answer = await post(url, undefined, given, { repeat: "always", doneOnceRefusedWith: "not_failed" });
      if (answer.json !== undefined) return answer.json as Order;
      const order = await client.get(id, given);
      if (order !== undefined) return order;
      throw new ClientError("order_not_found", `no order has the id "${id}"; it was removed meanwhile`);
    },
    async retryMany(filter = {}, given = {}) {
      // Not repeated when an answer is lost: the second one would not count what the first has started.
      return (await post(`${workflowUrl}/retry`, filter, given, { repeat: "refused" })).json as never;
    },
    failures: async (given) => (await read<{ items: never }>(`${workflowUrl}/failures`, given)).items,
    async queues(given) {
      const workflows = await readQueues(connection, serverUrl, common(given));
      const own = workflows.find((one) => one.workflow === workflow);
      if (own !== undefined) return own.queues;
      const names = workflows.map((one) => one.workflow).join(", ");
      throw new ClientError(
        "workflow_not_found",
        `no workflow "${workflow}" is served at ${serverUrl}; there is ${names}`,
      );
    },
    pause: (status, given = {}) => switchQueue(status, "pause", given),
    resume: (status, given = {}) => switchQueue(status, "resume", given),
    async remove(id, given = {}) {
      await connection.send({
        method: "DELETE",
        url: orderUrlOf(address, id),
        ...common(given),
        repeat: "always",
        doneOnceRefusedWith: "order_not_found",
      });
    },
    waitFor: (id, status, { timeoutSeconds, signal, ...given } = {}) =>
      waitFor(
        {
          clock: connection.clock,
          get: (id, signal) => client.get(id, { ...given, signal }),
          openStatuses: async (signal) => (await client.queues({ ...given, signal })).map((queue) => queue.status),
        },
        id,
        [status].flat(),
        { timeoutSeconds, signal },
      ),
  };

  async function* iterate(query: OrdersQuery<AnyWorkflow>, given: CallOptions | undefined) {
    let cursor: string | undefined;
    do {
      const page = await client.list({ limit: iterationLimit, ...query, cursor }, given);
      yield* page.items;
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
  }

  return client;
}

function common({ signal, requestId }: CallOptions = {}): Pick<Sent, "signal" | "headers"> {
  return { signal, headers: { "x-request-id": requestId } };
}

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
