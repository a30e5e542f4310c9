/** `cauce verify`: places an order on a running server, follows it, and says where it left its four proofs. */
import { setTimeout as sleep } from "node:timers/promises";
import { type Client, ClientError, type Queue, type Stored } from "../../client/index.ts";
import { CauceError } from "../../core/errors.ts";
import type { Actor, Order } from "../../core/order.ts";
import type { AnyWorkflow } from "../../core/workflow.ts";
import { jsonLine, type Output, oneLine, parseJson, plain, wrongUsage } from "../output.ts";
import { chooseWorkflow, findServer, type RemoteFlags, type Server } from "../remote/connection.ts";

export type VerifyFlags = RemoteFlags & {
  readonly data?: string;
  readonly to?: string;
  /** In seconds. */
  readonly timeout: number;
  readonly json?: boolean;
};

/** The four proofs that an order was there. */
export interface Proofs {
  /** What the API answered. */
  readonly answer?: { readonly status: number; readonly orderId: string; readonly requestId: string | null };
  /** The process or function that took the request: the first entry of the order's history. */
  readonly request?: Actor | undefined;
  /** Where the order is stored. */
  readonly stored?: Stored | undefined;
  /** Every move of the order after its placing. */
  readonly processing?: readonly Step[] | undefined;
}

/** A move of an order, and the process or function that made it. */
export interface Step extends Actor {
  readonly from: string;
  readonly to: string;
  /** The reason that a person gave, or that attempts were used up; null for none. */
  readonly reason: string | null;
}

const proofNames = ["answer", "request", "stored", "processing"] as const;
type ProofName = (typeof proofNames)[number];

/** Why a proof is missing, on one line. */
type Missing = { [Name in ProofName]?: string | undefined };

/**
 * Verifies a server with one order. Writes everything that was found, and then throws if a proof is missing.
 * @throws `proof_missing` with what is missing and why
 */
export async function verify(flags: VerifyFlags, output: Output): Promise<void> {
  const { to, timeout: timeoutSeconds, json = false } = flags;
  const given = flags.data === undefined ? undefined : parseJson(flags.data, "--data", "setting_invalid");
  const server = findServer(flags);
  const workflow = await chooseWorkflow(server);
  const data = given ?? (await readSample(server, workflow));
  const onStatus = (status: string): void => {
    // A program that reads the error wants it alone.
    if (!json) output.err(`… ${plain(status)}\n`);
  };
  const client = server.client(workflow);
  const { proofs, missing, followed } = await gather(client, data, { to, timeoutSeconds, onStatus });
  const status = followed?.order.status ?? null;
  const report = { url: server.url, workflow, status, end: followed?.end ?? null, proofs, missing };
  output.out(json ? jsonLine(report) : describe(proofs, missing) + describeEnd(workflow, followed));
  const lacking = proofNames.flatMap((name) => (missing[name] === undefined ? [] : `${name}: ${missing[name]}`));
  if (lacking.length > 0) throw new CauceError("proof_missing", lacking.join("; "));
}

/** Reads the data that the server's own description shows as an example. */
async function readSample(server: Server, workflow: string): Promise<unknown> {
  const { paths = {} } = (await server.document()) as { paths?: Readonly<Record<string, Operations>> };
  const operation = Object.values(paths)
    .map(({ post }) => post)
    .find((each) => each?.operationId === `${workflow}.place`);
  const sample = operation?.requestBody?.content?.["application/json"]?.example;
  if (sample !== undefined) return sample;
  throw wrongUsage(
    operation === undefined
      ? `${server.url} serves no workflow "${workflow}"; check --workflow`
      : `the description of "${workflow}" has no example of an order's data; give some with --data JSON`,
  );
}

interface Operations {
  readonly post?: {
    readonly operationId?: string;
    readonly requestBody?: { readonly content?: Readonly<Record<string, { readonly example?: unknown }>> };
  };
}

/** Places the order and follows it, and says of each proof what it is or why it is missing. */
async function gather(client: Client<AnyWorkflow>, data: unknown, options: FollowOptions) {
  const missing: Missing = {};
  /** A refusal of the server is a proof that is missing. */
  const ask = async <T>(name: ProofName, call: Promise<T>): Promise<T | undefined> => {
    try {
      return await call;
    } catch (error) {
      if (!(error instanceof ClientError)) throw error;
      missing[name] = `${error.code}: ${error.message}`;
      return undefined;
    }
  };
  // An order that may not be followed is not placed.
  const queues = await ask("answer", client.queues());
  const placing = queues && (await ask("answer", client.place(data)));
  if (queues === undefined || placing === undefined) return { proofs: {}, missing, followed: undefined };
  const { order, placed } = placing;
  const request = order.history[0]?.by;
  missing.request = requestMissing(request);

  const kinds = new Map(queues.map(({ status, kind }) => [status, kind]));
  const followed = await ask("processing", follow(client, order, kinds, options));
  const stored = await ask("stored", client.stored(order.id));
  const steps = readSteps(followed?.order ?? order);
  if (followed !== undefined) missing.processing = processingMissing(steps, kinds, stored?.store, followed);
  const answer = { status: placed ? 202 : 200, orderId: order.id, requestId: request?.requestId ?? null };
  const processing = steps.length === 0 ? undefined : steps;
  const proofs: Proofs = { answer, request, stored, processing };
  return { proofs, missing, followed };
}

interface FollowOptions {
  /** The status to follow the order to. Default: where it ends or waits. */
  readonly to: string | undefined;
  readonly timeoutSeconds: number;
  /** Called with each status that the order was seen in. */
  readonly onStatus: (status: string) => void;
}

/** How far an order was followed. */
export interface Followed {
  /** The order as it was read last. */
  readonly order: Order;
  /** What it came to; undefined if it came to nothing that was looked for. */
  readonly end?: "final" | "waiting" | "reached";
  /** Why it came to nothing, for people. */
  readonly why?: string;
}

type Kinds = ReadonlyMap<string, Queue["kind"]>;

const sleepSecondsMin = 0.1;
const sleepSecondsMax = 2;

/** Reads the order, ever less often, until it is where it was to come to, cannot come there, or the time is over. */
async function follow(
  client: Pick<Client<AnyWorkflow>, "get">,
  placed: Order,
  kinds: Kinds,
  { to, timeoutSeconds, onStatus }: FollowOptions,
): Promise<Followed> {
  const signal = AbortSignal.timeout(timeoutSeconds * 1_000);
  let order = placed;
  let told = 0;
  try {
    for (let seconds = sleepSecondsMin; ; seconds = Math.min(seconds * 1.5, sleepSecondsMax)) {
      for (const { status } of order.history.slice(told)) onStatus(status);
      told = order.history.length;
      const followed = judge(order, kinds, to);
      if (followed !== undefined) return followed;
      await sleep(seconds * 1_000, undefined, { signal });
      const read = await client.get(order.id, { signal });
      if (read === undefined) return { order, why: `the order ${order.id} is gone` };
      order = read;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    const stands = `after ${timeoutSeconds} s the order ${order.id} stands in "${order.status}"`;
    return { order, why: `${stands} and ${to === undefined ? "has not ended" : `not in "${to}"`}` };
  }
}

/** Judges an order that was followed; undefined if it must be followed on. A status without a queue is final. */
function judge(order: Order, kinds: Kinds, to: string | undefined): Followed | undefined {
  const { id, status, failure, history } = order;
  const kind = kinds.get(status);
  if (to !== undefined && history.some((visit) => visit.status === to)) return { order, end: "reached" };
  if (failure !== null) {
    return { order, why: `the order ${id} failed in "${status}": ${failure.code}: ${oneLine(failure.message)}` };
  }
  if (to === undefined) return kind === "handled" ? undefined : { order, end: kind ?? "final" };
  if (kind !== undefined) return undefined;
  return { order, why: `the order ${id} ended in "${status}" and cannot come to "${to}"` };
}

function readSteps({ history }: Order): Step[] {
  return history.slice(1).map(({ status, reason, by }, index) => ({
    ...{ from: history[index]?.status ?? "", to: status, reason },
    ...by,
  }));
}

/** Says what the history lacks of the placing. A function's run has an id; a process of Node has its name alone. */
export function requestMissing(by: Actor | undefined): string | undefined {
  if (by === undefined) return "the answer has no history";
  if (by.name === "") return "the history does not name who placed the order";
  return by.runtime === "lambda" && by.requestId === null ? `the history names no run of ${by.name}` : undefined;
}

/** Says what the moves lack. A message of SQS that wakes a handler on DynamoDB has an id; in a process there is none. */
export function processingMissing(
  steps: readonly Step[],
  kinds: Kinds,
  store: Stored["store"] | undefined,
  { order, why, end }: Followed,
): string | undefined {
  if (why !== undefined) return why;
  // A person, the API or the sweep moves an order out of a status that waits.
  const handled = steps.filter(({ from }) => kinds.get(from) === "handled");
  // With --to, the status that `exhausted` leads to may be the one that was asked for.
  const gaveUp = end === "reached" ? undefined : handled.find(({ reason }) => reason?.startsWith("exhausted: "));
  if (gaveUp !== undefined) {
    const { from, to, reason } = gaveUp;
    return `the handler of "${from}" did not move the order ${order.id}, which went to "${to}": ${oneLine(String(reason))}`;
  }
  if (handled.length === 0) return `no handler has moved the order ${order.id}, which stands in "${order.status}"`;
  for (const { from, to, runtime, name, requestId, messageId } of handled) {
    const lacks =
      (store === "dynamodb" && messageId === null && "the queue's message") ||
      (runtime === "lambda" && requestId === null && `the run of ${name}`);
    if (lacks) return `the history does not name ${lacks} that moved the order from "${from}" to "${to}"`;
  }
  return undefined;
}

/** Says in lines what was found of each proof, and what is missing. */
function describe({ answer, request, stored, processing = [] }: Proofs, missing: Missing): string {
  const found: Readonly<Record<ProofName, readonly (string | undefined)[]>> = {
    answer: [answer && `${answer.status}, order ${answer.orderId}${named("request", answer.requestId)}`],
    request: [request && describeActor(request)],
    stored: [stored && describeStored(stored)],
    processing: processing.map((step) => {
      const reason = step.reason === null ? "" : `, ${oneLine(step.reason)}`;
      return `${step.from} → ${step.to}: ${describeActor(step)}${reason}`;
    }),
  };
  const lines = proofNames.flatMap((name, index) => {
    const why = missing[name] && `missing: ${missing[name]}`;
    const rows = [...found[name], why].filter((row) => row !== undefined);
    return rows.map((row, at) => `${(at === 0 ? `${index + 1} ${name}` : "").padEnd(14)}${plain(row)}\n`);
  });
  return lines.join("");
}

function describeActor({ runtime, name, requestId, messageId }: Actor): string {
  return `${runtime} ${name}${named("request", requestId)}${named("message", messageId)}`;
}

function describeStored({ store, file, table, key, version }: Stored): string {
  const where = [store, file, table].filter((part) => part !== null).join(" ");
  return `${where}, key ${JSON.stringify(key)}, version ${version}`;
}

function named(what: string, id: string | null): string {
  return id === null ? "" : `, ${what} ${id}`;
}

function describeEnd(workflow: string, followed: Followed | undefined): string {
  if (followed?.end === undefined) return "";
  const status = plain(followed.order.status);
  const ends = {
    final: `ended in ${status}.`,
    reached: `came to the status that was asked for, and stands in ${status}.`,
    waiting: `waits in ${status} until the API moves it; --to STATUS follows it further.`,
  };
  return `The order of ${workflow} ${ends[followed.end]}\n`;
}
