import { deadline, sleep, standardClock } from "../../client/connection.ts";
import { type Client, ClientError, type Queue, type Stored } from "../../client/index.ts";
import { CauceError } from "../../core/errors.ts";
import type { Actor, Order } from "../../core/order.ts";
import type { AnyWorkflow } from "../../core/workflow.ts";
import { type Output, oneLine } from "../output.ts";
import {
  jsonLine,
  onlyWorkflow,
  parseJson,
  plain,
  type RemoteFlags,
  type Server,
  serverOf,
} from "../remote/connection.ts";

export interface VerifyFlags extends RemoteFlags {
  readonly data?: string;
  readonly to?: string;
  readonly timeout: string;
  readonly json?: boolean;
}

const timeoutSecondsMost = 86_400;

interface Verified {
  readonly proofs: Proofs;
  readonly missing: Missing;
  readonly followed?: Followed;
}

/** `cauce verify`. Throws `proof_missing`, with what is missing and why, once everything that was found is written. */
export async function verify(flags: VerifyFlags, output: Output): Promise<void> {
  const timeoutSeconds = secondsOf(flags.timeout);
  const given = flags.data === undefined ? undefined : parseJson(flags.data, "--data", "setting_invalid");
  const server = serverOf(flags);
  const workflow = server.workflow ?? (await onlyWorkflow(server));
  const data = given ?? (await sampleOf(server, workflow));
  const onStatus = (status: string) => {
    // A program that reads the error wants it alone.
    if (flags.json !== true) output.err(`… ${plain(status)}\n`);
  };
  const verified = await gather(server.client(workflow), data, { to: flags.to, timeoutSeconds, onStatus });
  const { proofs, missing, followed } = verified;
  const status = followed?.order.status ?? null;
  output.out(
    flags.json
      ? jsonLine({ url: server.url, workflow, status, end: followed?.end ?? null, proofs, missing })
      : textOf(workflow, verified),
  );
  const lacking = proofNames.flatMap((name) => (missing[name] === undefined ? [] : `${name}: ${missing[name]}`));
  if (lacking.length > 0) throw new CauceError("proof_missing", lacking.join("; "));
}

/** Places the order and follows it, and says of each proof what it is or why it is missing. */
async function gather(
  client: Client<AnyWorkflow>,
  data: unknown,
  options: Parameters<typeof follow>[3],
): Promise<Verified> {
  const missing: { [Name in ProofName]?: string | undefined } = {};
  /** What a server refuses is a proof that is missing. */
  const asking = async <T>(name: ProofName, ask: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof ClientError)) throw error;
      missing[name] = `${error.code}: ${error.message}`;
      return undefined;
    }
  };
  // An order that may not be followed is not placed.
  const rows = await asking("answer", () => client.queues());
  const placing = rows && (await asking("answer", () => client.place(data)));
  if (rows === undefined || placing === undefined) return { proofs: {}, missing };
  const first = placingProofs(placing.order, placing.placed);
  missing.request = first.request === undefined ? "the answer has no history" : requestMissing(first.request);

  const kinds = new Map(rows.map(({ status, kind }) => [status, kind]));
  const followed = await asking("processing", () => follow(client, placing.order, kinds, options));
  const stored = await asking("stored", () => client.stored(placing.order.id));
  const steps = stepsOf(followed?.order ?? placing.order);
  if (followed !== undefined) missing.processing = processingMissing(steps, kinds, stored?.store, followed);
  return {
    proofs: {
      ...first,
      ...(stored === undefined ? {} : { stored }),
      ...(steps.length === 0 ? {} : { processing: steps }),
    },
    missing,
    ...(followed === undefined ? {} : { followed }),
  };
}

/** The data that the server's own description shows as an example. */
async function sampleOf(server: Server, workflow: string): Promise<unknown> {
  const { paths } = (await server.document()) as { paths?: Readonly<Record<string, Operations>> };
  const operation = Object.values(paths ?? {})
    .map(({ post }) => post)
    .find((each) => each?.operationId === `${workflow}.place`);
  const sample = operation?.requestBody?.content?.["application/json"]?.example;
  if (sample !== undefined) return sample;
  throw new CauceError(
    "setting_invalid",
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

function secondsOf(text: string): number {
  if (/^[1-9]\d{0,4}$/.test(text) && Number(text) <= timeoutSecondsMost) return Number(text);
  throw new CauceError(
    "setting_invalid",
    `--timeout must be whole seconds from 1 to ${timeoutSecondsMost}, not "${text}"`,
  );
}

function textOf(workflow: string, { proofs, missing, followed }: Verified): string {
  const { answer, request, stored, processing = [] } = proofs;
  const found: Readonly<Record<ProofName, readonly string[]>> = {
    answer:
      answer === undefined ? [] : [`${answer.status}, order ${answer.orderId}${named("request", answer.requestId)}`],
    request: request === undefined ? [] : [`${request.runtime} ${request.name}${named("request", request.requestId)}`],
    stored:
      stored === undefined
        ? []
        : [
            `${[stored.store, stored.file, stored.table].filter((part) => part !== null).join(" ")}, ` +
              `key ${JSON.stringify(stored.key)}, version ${stored.version}`,
          ],
    processing: processing.map(
      ({ from, to, runtime, name, requestId, messageId, reason }) =>
        `${from} → ${to}: ${runtime} ${name}${named("request", requestId)}${named("message", messageId)}${reason === null ? "" : `, ${oneLine(reason)}`}`,
    ),
  };
  const lines = proofNames.flatMap((name, index) => {
    const why = missing[name];
    const rows = why === undefined ? found[name] : [...found[name], `missing: ${why}`];
    return rows.map((row, at) => `${(at === 0 ? `${index + 1} ${name}` : "").padEnd(14)}${plain(row)}\n`);
  });
  return `${lines.join("")}${endOf(workflow, followed)}`;
}

const named = (what: string, id: string | null) => (id === null ? "" : `, ${what} ${id}`);

function endOf(workflow: string, followed: Followed | undefined): string {
  if (followed?.end === undefined) return "";
  const { order, end } = followed;
  const status = plain(order.status);
  if (end === "final") return `The order of ${workflow} ended in ${status}.\n`;
  if (end === "reached") return `The order of ${workflow} came where it was to come, and stands in ${status}.\n`;
  return `The order of ${workflow} waits in ${status} until the API moves it; --to STATUS follows it further.\n`;
}

export interface FollowOptions {
  /** The status to follow it to. Default: where it ends or waits. */
  readonly to: string | undefined;
  readonly timeoutSeconds: number;
  /** Told of each status that the order was seen in. */
  readonly onStatus: (status: string) => void;
}

/** How far an order was followed. */
export interface Followed {
  /** As it was read last. */
  readonly order: Order;
  /** What it came to; undefined where it came to nothing that was looked for. */
  readonly end: "final" | "waiting" | "reached" | undefined;
  /** Why it came to nothing, for people; empty where it did. */
  readonly why: string;
}

export type Kinds = ReadonlyMap<string, Queue["kind"]>;

const firstPauseSeconds = 0.1;
const longestPauseSeconds = 2;

/** Reads the order, with growing pauses, until it is where it was to come to, cannot come there, or the time is over. */
export async function follow(
  client: Pick<Client<AnyWorkflow>, "get">,
  placed: Order,
  kinds: Kinds,
  { to, timeoutSeconds, onStatus }: FollowOptions,
): Promise<Followed> {
  const clock = standardClock();
  const limit = deadline(clock, timeoutSeconds, undefined);
  let order = placed;
  let told = 0;
  try {
    for (let seconds = firstPauseSeconds; ; seconds = Math.min(seconds * 1.5, longestPauseSeconds)) {
      for (const { status } of order.history.slice(told)) onStatus(status);
      told = order.history.length;
      const followed = judge(order, kinds, to);
      if (followed !== undefined) return followed;
      await sleep(clock, seconds, limit.signal);
      const read = await client.get(order.id, { signal: limit.signal });
      if (read === undefined) return { order, end: undefined, why: `the order ${order.id} is gone` };
      order = read;
    }
  } catch (error) {
    if (!limit.passed) throw error;
    const stands = `after ${timeoutSeconds} s the order ${order.id} stands in "${order.status}"`;
    return { order, end: undefined, why: `${stands} and ${to === undefined ? "has not ended" : `not in "${to}"`}` };
  } finally {
    limit.clear();
  }
}

/** What there is to say of an order that need not be followed on. A status without a queue is final. */
function judge(order: Order, kinds: Kinds, to: string | undefined): Followed | undefined {
  const { id, status, failure, history } = order;
  const kind = kinds.get(status);
  if (to !== undefined && history.some((visit) => visit.status === to)) return { order, end: "reached", why: "" };
  if (failure !== null) {
    const why = `the order ${id} failed in "${status}": ${failure.code}: ${oneLine(failure.message)}`;
    return { order, end: undefined, why };
  }
  if (to === undefined) return kind === "handled" ? undefined : { order, end: kind ?? "final", why: "" };
  if (kind !== undefined) return undefined;
  return { order, end: undefined, why: `the order ${id} ended in "${status}" and cannot come to "${to}"` };
}

/** The four proofs, in their order. */
export const proofNames = ["answer", "request", "stored", "processing"] as const;
export type ProofName = (typeof proofNames)[number];

/** A call of what processes orders: the status that it brought the order to, and who it was. */
export interface Step extends Actor {
  readonly from: string;
  readonly to: string;
  /** Why, where somebody or something said so: a person, or attempts that were used up. */
  readonly reason: string | null;
}

export interface Proofs {
  /** What the API answered. */
  readonly answer?: { readonly status: number; readonly orderId: string; readonly requestId: string | null };
  /** The run that took the request. */
  readonly request?: Actor;
  readonly stored?: Stored;
  readonly processing?: readonly Step[];
}

/** Why a proof is missing, on one line. */
export type Missing = { readonly [Name in ProofName]?: string | undefined };

/** The API's answer to a placing, and the run that gave it: the history's first entry. */
export function placingProofs(order: Order, placed: boolean): Pick<Proofs, "answer" | "request"> {
  const by = order.history[0]?.by;
  return {
    answer: { status: placed ? 202 : 200, orderId: order.id, requestId: by?.requestId ?? null },
    ...(by === undefined ? {} : { request: by }),
  };
}

/** Every move of the order after its placing. */
export function stepsOf({ history }: Order): Step[] {
  return history.slice(1).map(({ status, reason, by }, index) => ({
    ...{ from: history[index]?.status ?? "", to: status, reason },
    ...by,
  }));
}

/** A function's run has an id of its own; a process of Node has none, and its name is what there is. */
export function requestMissing({ runtime, name, requestId }: Actor): string | undefined {
  if (name === "") return "the history does not name who placed the order";
  return runtime === "lambda" && requestId === null ? `the history names no run of ${name}` : undefined;
}

/** What the moves lack. Handlers on DynamoDB are woken by messages of SQS, which have ids; in a process they have none. */
export function processingMissing(
  steps: readonly Step[],
  kinds: Kinds,
  store: Stored["store"] | undefined,
  { order, why, end }: Followed,
): string | undefined {
  if (why !== "") return why;
  // A person, the API or the sweep moves an order out of a status that waits.
  const handled = steps.filter(({ from }) => kinds.get(from) === "handled");
  // Whoever asked for the status that `exhausted` leads to meant it.
  const gaveUp = end === "reached" ? undefined : handled.find(({ reason }) => reason?.startsWith("exhausted: "));
  if (gaveUp !== undefined) {
    const { from, to, reason } = gaveUp;
    return `the handler of "${from}" did not move the order ${order.id}, which went to "${to}": ${oneLine(String(reason))}`;
  }
  if (handled.length === 0) return `no handler has moved the order ${order.id}, which stands in "${order.status}"`;
  for (const { from, to, runtime, name, requestId, messageId } of handled) {
    const lacks =
      store === "dynamodb" && messageId === null
        ? "the queue's message"
        : runtime === "lambda" && requestId === null
          ? `the run of ${name}`
          : undefined;
    if (lacks !== undefined) return `the history does not name ${lacks} that moved the order from "${from}" to "${to}"`;
  }
  return undefined;
}
