import { once } from "node:events";
import http from "node:http";
import https from "node:https";
import { setTimeout as delay } from "node:timers/promises";
import { CauceError, type ErrorCode } from "../../core/errors.ts";
import { onlyWorkflow, type RemoteFlags, serverOf } from "../remote/connection.ts";
import type { Problem, Row } from "./rows.ts";

export interface LineResult {
  readonly status: number;
  readonly problem?: Problem;
}

export interface Request {
  readonly bodies: readonly string[];
  /** Once it is aborted, nothing more is sent; what was sent is still answered. */
  readonly stop: AbortSignal;
  /** Told of each answer, in the order of the bodies. */
  readonly onAnswer: (index: number, answer: LineResult) => void;
  /** Told after a handful of answers came. */
  readonly onAnswers: () => void;
}

export interface Sender {
  /**
   * One request. Resolves when all that was sent is answered, or to why it was not; sending the rest again can help.
   * Throws where it cannot: what the server answers to the request as a whole, or `unexpected_answer`.
   */
  send(request: Request): Promise<{ readonly broken: string | undefined }>;
  close(): void;
}

// As much as the server reads at once.
const pieceCharacters = 65_536;
const problemBytesMax = 65_536;

/** Sends lines to a workflow's batch route over one connection, which is used again. */
export function createSender(options: { url: string; key: string | undefined; idleSeconds: number }): Sender {
  const { url, key, idleSeconds } = options;
  const { Agent, request } = new URL(url).protocol === "https:" ? https : http;
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const headers = { "content-type": "application/x-ndjson", ...(key && { authorization: `Bearer ${key}` }) };

  return {
    async send({ bodies, stop, onAnswer, onAnswers }) {
      const outgoing = request(url, { method: "POST", agent, headers });
      outgoing.setTimeout(idleSeconds * 1_000, () =>
        outgoing.destroy(new Error(`the server was silent for ${idleSeconds} s`)),
      );
      let broken: string | undefined;
      const closed = new Promise<void>((resolve) => outgoing.once("close", resolve));
      outgoing.on("error", (error: NodeJS.ErrnoException) => (broken ??= error.code ?? error.message));
      const answered = Promise.race([once(outgoing, "response"), closed]).then(
        (given) => (given === undefined ? 0 : readAnswers(given[0], { url, onAnswer, onAnswers })),
        () => 0,
      );
      // Awaited below; until then nobody else would hear of it.
      answered.catch(() => outgoing.destroy());
      const sent = await write(outgoing, bodies, { stop, closed });
      const answers = await answered;
      await closed;
      if (answers < sent) broken ??= "the answers ended early";
      return { broken: answers < sent ? broken : undefined };
    },
    close: () => agent.destroy(),
  };
}

/** Gives how many bodies were sent. */
async function write(
  outgoing: http.ClientRequest,
  bodies: readonly string[],
  { stop, closed }: { stop: AbortSignal; closed: Promise<void> },
): Promise<number> {
  let at = 0;
  while (at < bodies.length && !stop.aborted && !outgoing.destroyed) {
    let piece = "";
    while (at < bodies.length && piece.length < pieceCharacters) piece += `${bodies[at++]}\n`;
    if (outgoing.write(piece)) continue;
    await Promise.race([new Promise<void>((resolve) => outgoing.once("drain", resolve)), closed]);
  }
  outgoing.end();
  return at;
}

async function readAnswers(
  response: http.IncomingMessage,
  { url, onAnswer, onAnswers }: Pick<Request, "onAnswer" | "onAnswers"> & { url: string },
): Promise<number> {
  const { statusCode = 0 } = response;
  if (statusCode !== 200) return refused(response, url);
  if (!response.headers["content-type"]?.startsWith("application/x-ndjson")) throw unexpected(url, "no lines of JSON");
  let index = 0;
  let rest = "";
  response.setEncoding("utf8");
  try {
    for await (const text of response) {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) onAnswer(index++, parseResult(line, url));
      onAnswers();
    }
  } catch (error) {
    if (error instanceof CauceError) throw error;
    // Cut off: the answers that came count, and the request tells why.
  }
  return index;
}

function parseResult(line: string, url: string): LineResult {
  // Most lines are of this shape, and reading the whole of each would take half of the client's time.
  const status = /^\{"line":\d+,"status":(20[02]),/.exec(line)?.[1];
  if (status !== undefined) return { status: Number(status) };
  try {
    const answer = JSON.parse(line) as LineResult;
    if (typeof answer.status === "number") return answer;
  } catch {}
  throw unexpected(url, `the line ${line.slice(0, 100)}`);
}

/** For an answer to the request as a whole: throws, but for those after which the same request may be taken. */
async function refused(response: http.IncomingMessage, url: string): Promise<number> {
  const { statusCode = 0 } = response;
  let text = "";
  response.setEncoding("utf8");
  try {
    for await (const chunk of response) {
      if (text.length < problemBytesMax) text += chunk;
    }
  } catch {}
  if (statusCode >= 500 || statusCode === 408 || statusCode === 429) return 0;
  let problem: Partial<Problem> | undefined;
  try {
    problem = JSON.parse(text) as Partial<Problem>;
  } catch {}
  if (typeof problem?.code !== "string" || typeof problem.detail !== "string") {
    throw unexpected(url, `status ${statusCode}`);
  }
  throw new CauceError(problem.code as ErrorCode, problem.detail);
}

function unexpected(url: string, what: string): CauceError {
  return new CauceError("unexpected_answer", `${url} answered ${what}, as Cauce does not; check --url`);
}

export interface DeliverOptions {
  readonly sender: Sender;
  readonly stop: AbortSignal;
  /** For how long it tries without an answer to any line. */
  readonly retrySeconds: number;
  /** Told of what holds it up, once until it goes on. */
  readonly onTrouble: (what: string) => void;
  /** Told after rows came to an result. */
  readonly onResults: () => void;
}

const waitMillisecondsMin = 100;
const waitMillisecondsMax = 2_000;

/**
 * Sends rows until each has an result, or until it is stopped. What a broken connection left open and what the server
 * could not store is sent again, with the same keys. Rejects with `unreachable`, or as the sender does.
 */
export async function deliver(rows: readonly Row[], options: DeliverOptions): Promise<void> {
  const { sender, stop, retrySeconds, onTrouble, onResults } = options;
  let open = rows.filter(({ result }) => result === undefined);
  let answeredAt = performance.now();
  let waitMilliseconds = waitMillisecondsMin;
  let trouble: string | undefined;
  // Rows may all have been refused without asking the server.
  onResults();
  while (open.length > 0 && !stop.aborted) {
    const sending = open;
    let unavailable: string | undefined;
    const onAnswer = (index: number, answer: LineResult): void => {
      const row = sending[index];
      if (row === undefined) return;
      if (answer.status === 503) {
        unavailable = answer.problem?.detail ?? "status 503";
        return;
      }
      row.result = resultOf(answer);
      answeredAt = performance.now();
      waitMilliseconds = waitMillisecondsMin;
    };
    const { broken } = await sender.send({
      bodies: sending.map(({ body }) => body),
      stop,
      onAnswer,
      onAnswers: onResults,
    });
    open = sending.filter(({ result }) => result === undefined);
    if (open.length === 0 || stop.aborted) break;
    const what = broken ?? unavailable ?? "a line was not answered";
    if (performance.now() - answeredAt > retrySeconds * 1_000) {
      throw new CauceError("unreachable", `no line was taken for ${retrySeconds} s (${what}); see to the server`);
    }
    if (trouble !== what) onTrouble(what);
    trouble = what;
    await delay(waitMilliseconds, undefined, { signal: stop }).catch(() => {});
    waitMilliseconds = Math.min(2 * waitMilliseconds, waitMillisecondsMax);
  }
}

function resultOf({ status, problem }: LineResult): NonNullable<Row["result"]> {
  if (status === 202) return "placed";
  if (status === 200) return "repeated";
  return problem ?? { code: "internal_error", detail: `the server answered ${status}` };
}

export interface Batches {
  /** What has been read meanwhile: at least one row, at most a request's; undefined at the end, or once closed. Rejects as the reading did. */
  next(): Promise<Row[] | undefined>;
  /** Reads no further, and closes what it reads from unless it waits there for more. */
  close(): void;
}

/**
 * Reads on while a request is under way, up to another request's rows and no further. A fast file fills every request,
 * and a slow stream's lines wait for nothing.
 */
export function batchesOf(groups: AsyncIterable<Row[]>, max: { rows: number; characters: number }): Batches {
  const rows: Row[] = [];
  let characters = 0;
  let ended = false;
  let closed = false;
  let failure: { readonly error: unknown } | undefined;
  let wake = (): void => {};
  const changed = () => new Promise<void>((resolve) => (wake = resolve));

  const read = async (): Promise<void> => {
    for await (const group of groups) {
      for (const row of group) {
        rows.push(row);
        characters += row.body.length;
      }
      wake();
      while (!closed && (rows.length >= max.rows || characters >= max.characters)) await changed();
      if (closed) return;
    }
  };
  const reading = read().then(
    () => void (ended = true),
    (error: unknown) => {
      ended = true;
      failure = { error };
    },
  );
  void reading.then(() => wake());

  return {
    async next() {
      while (rows.length === 0 && !ended && !closed) await changed();
      if (closed) return undefined;
      if (rows.length === 0 && failure !== undefined) throw failure.error;
      if (rows.length === 0) return undefined;
      let count = 0;
      let taken = 0;
      while (count < rows.length && count < max.rows && taken < max.characters) {
        taken += (rows[count++] as Row).body.length;
      }
      characters -= taken;
      const batch = rows.splice(0, count);
      wake();
      return batch;
    },
    close() {
      closed = true;
      wake();
    },
  };
}

/** Where orders are placed. */
export interface Target {
  /** Of the workflow: `http://127.0.0.1:3000/orders`. */
  readonly url: string;
  readonly key: string | undefined;
}

/** The workflow that flags and variables name, or the only one of the server. Throws `setting_invalid` and what the server answers. */
export async function targetOf(flags: RemoteFlags): Promise<Target> {
  const server = serverOf(flags);
  const workflow = server.workflow ?? (await onlyWorkflow(server));
  return { url: `${server.url}/${workflow}`, key: server.key };
}
