/** Sends rows to a workflow's batch route, again and again until each row has a result. */
import { once } from "node:events";
import http from "node:http";
import https from "node:https";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { setTimeout as delay } from "node:timers/promises";
import { CauceError, type ErrorCode, type Fault } from "../../core/errors.ts";

/** One line of the input on its way to the server. */
export interface Row {
  /** From 1, as an editor counts. Empty lines count and make no row. */
  readonly line: number;
  /** The line in which the row ends: another one only if a cell of a CSV file contains a newline. */
  readonly endLine: number;
  /** The bytes of the input up to the row's end. */
  readonly end: number;
  /** The row as it stands in the input: its text, or its cells. */
  readonly raw: string | readonly string[];
  /** What is sent; empty for a row that is refused without asking the server. */
  readonly body: string;
  /** What came of the row; undefined until the server has answered. */
  result: "placed" | "repeated" | Problem | undefined;
}

/** Why a line was refused, by the server or before it was sent. */
export interface Problem {
  readonly code: ErrorCode;
  readonly detail: string;
  readonly errors?: readonly Fault[] | undefined;
}

/** Where orders are placed. */
export interface Target {
  /** The workflow's address: `http://127.0.0.1:3000/orders`. */
  readonly url: string;
  readonly key: string | undefined;
}

const waitMillisecondsMin = 100;
const waitMillisecondsMax = 2_000;

interface DeliverOptions {
  /** Once it is aborted, nothing more is sent. What was sent is still answered. */
  readonly stop: AbortSignal;
  /** For how long it tries without an answer to any line. */
  readonly retrySeconds: number;
  /** Called with the reason of a try that went wrong, unless the try before went wrong for the same reason. */
  onTrouble(what: string): void;
  /** Called after rows got a result. */
  onResults(): void;
}

/**
 * Sends rows until each has a result, or until it is stopped. Rows that a broken connection left without an answer, or
 * that the server could not store, are sent again with the same keys.
 * @throws `unreachable` after `retrySeconds` without an answer; what `send` throws.
 */
export async function deliver(rows: readonly Row[], sender: Sender, options: DeliverOptions): Promise<void> {
  const { stop, retrySeconds, onTrouble, onResults } = options;
  const withoutResult = (all: readonly Row[]) => all.filter(({ result }) => result === undefined);
  let open = withoutResult(rows);
  let lastResultAt = performance.now();
  let waitMilliseconds = waitMillisecondsMin;
  let trouble: string | undefined;
  // Rows may all have been refused without asking the server.
  onResults();
  while (open.length > 0 && !stop.aborted) {
    const sent = open;
    let unavailable: string | undefined;
    const bodies = sent.map(({ body }) => body);
    const broken = await sender.send(bodies, stop, (first, results) => {
      for (const [at, { status, problem }] of results.entries()) {
        const row = sent[first + at];
        if (status === 503) unavailable = problem?.detail ?? "status 503";
        else if (row !== undefined) {
          const unknown = { code: "internal_error", detail: `the server answered ${status}` } as const;
          row.result = status === 202 ? "placed" : status === 200 ? "repeated" : (problem ?? unknown);
          lastResultAt = performance.now();
          waitMilliseconds = waitMillisecondsMin;
        }
      }
      onResults();
    });
    open = withoutResult(sent);
    if (open.length === 0 || stop.aborted) return;
    const what = broken ?? unavailable ?? "a line was not answered";
    if (performance.now() - lastResultAt > retrySeconds * 1_000) {
      throw new CauceError("unreachable", `the server took no line for ${retrySeconds} s (${what}); check the server`);
    }
    if (trouble !== what) onTrouble(what);
    trouble = what;
    await delay(waitMilliseconds, undefined, { signal: stop }).catch(() => {});
    waitMilliseconds = Math.min(2 * waitMilliseconds, waitMillisecondsMax);
  }
}

/** The server's answer to one line. */
interface LineResult {
  readonly status: number;
  readonly problem?: Problem;
}

/** Called after a handful of answers, with the index of the body that the first one is for. */
type OnResults = (first: number, results: readonly LineResult[]) => void;

type Sender = ReturnType<typeof createSender>;

// As much as the server reads at once.
const pieceCharacters = 65_536;

/** Makes a sender to a workflow's batch route, over one connection that is used again. */
export function createSender({ url, key }: Target, idleSeconds = 60) {
  const { Agent, request } = new URL(url).protocol === "https:" ? https : http;
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const headers = { "content-type": "application/x-ndjson", ...(key && { authorization: `Bearer ${key}` }) };

  return {
    /**
     * Sends bodies in one request. Resolves when all that was sent is answered; or, to the reason, when the connection
     * broke before. Once `stop` is aborted, nothing more is sent.
     * @throws what the server answers to the request as a whole, unless sending it again can help; `unexpected_answer`
     */
    async send(bodies: readonly string[], stop: AbortSignal, onResults: OnResults): Promise<string | undefined> {
      const outgoing = request(url, { method: "POST", agent, headers });
      let broken: string | undefined;
      outgoing.on("error", (error: NodeJS.ErrnoException) => (broken ??= error.code ?? error.message));
      outgoing.setTimeout(idleSeconds * 1_000, () =>
        outgoing.destroy(new Error(`the server was silent for ${idleSeconds} s`)),
      );
      const closed = once(outgoing, "close").catch(() => {});
      const reading = once(outgoing, "response").then(
        ([response]) => readResults(response, url, onResults),
        () => 0,
      );
      // The promise is awaited below. Until then its rejection ends the sending.
      reading.catch(() => outgoing.destroy());
      let sent = 0;
      const pieces = function* () {
        while (sent < bodies.length && !stop.aborted) {
          let piece = "";
          while (sent < bodies.length && piece.length < pieceCharacters) piece += `${bodies[sent++]}\n`;
          yield piece;
        }
      };
      await pipeline(pieces, outgoing).catch(() => {});
      const resultCount = await reading;
      await closed;
      return resultCount < sent ? (broken ?? "the answers ended early") : undefined;
    },
    close: (): void => agent.destroy(),
  };
}

/** Reads the answers to the lines, and returns how many there were before the connection ended. */
async function readResults(response: http.IncomingMessage, url: string, onResults: OnResults): Promise<number> {
  if (response.statusCode !== 200) return readRefusal(response, url);
  if (!response.headers["content-type"]?.startsWith("application/x-ndjson")) throw unexpected(url, "no lines of JSON");
  let count = 0;
  let rest = "";
  response.setEncoding("utf8");
  try {
    for await (const chunk of response) {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      const results = lines.map((line) => parseResult(line, url));
      onResults(count, results);
      count += results.length;
    }
  } catch (error) {
    if (error instanceof CauceError) throw error;
    // Cut off: the answers that came count, and the request tells why.
  }
  return count;
}

function parseResult(line: string, url: string): LineResult {
  // Most lines are of this shape. Parsing each of them whole would take half of the client's time.
  const status = /^\{"line":\d+,"status":(20[02]),/.exec(line)?.[1];
  if (status !== undefined) return { status: Number(status) };
  try {
    const result = JSON.parse(line) as LineResult;
    if (typeof result.status === "number") return result;
  } catch {}
  throw unexpected(url, `the line ${line.slice(0, 100)}`);
}

/** Reads an answer to the request as a whole, and throws it. Returns 0, for no line, if sending it again can help. */
async function readRefusal(response: http.IncomingMessage, url: string): Promise<number> {
  const { statusCode = 0 } = response;
  const body = await text(response).catch(() => "");
  if (statusCode >= 500 || statusCode === 408 || statusCode === 429) return 0;
  let problem: Partial<Problem> | undefined;
  try {
    problem = JSON.parse(body) as Partial<Problem>;
  } catch {}
  if (typeof problem?.code !== "string" || typeof problem.detail !== "string") {
    throw unexpected(url, `status ${statusCode}`);
  }
  throw new CauceError(problem.code as ErrorCode, problem.detail);
}

function unexpected(url: string, what: string): CauceError {
  return new CauceError("unexpected_answer", `${url} answered ${what}, which Cauce does not send; check --url`);
}

/**
 * Reads on while a request is under way, up to another request's rows and no further. A fast file fills every request,
 * and a slow stream's lines wait for nothing. Gives at least one row and at most a request's rows at a time, and ends
 * early once `stop` is aborted. Then, or when the loop over it ends, what it reads from is closed at the next group.
 */
export async function* readAhead(
  groups: AsyncIterable<Row[]>,
  max: { readonly rows: number; readonly characters: number },
  stop: AbortSignal,
): AsyncGenerator<Row[]> {
  const rows: Row[] = [];
  let characters = 0;
  let isRead = false;
  let isClosed = stop.aborted;
  // Of the two loops below at most one waits: the reading for room, the sending for rows.
  let wake = (): void => {};
  const changed = () => new Promise<void>((resolve) => (wake = resolve));
  const close = (): void => {
    isClosed = true;
    wake();
  };
  stop.addEventListener("abort", close);

  const read = async (): Promise<void> => {
    for await (const group of groups) {
      for (const row of group) {
        rows.push(row);
        characters += row.body.length;
      }
      wake();
      while (!isClosed && (rows.length >= max.rows || characters >= max.characters)) await changed();
      if (isClosed) return;
    }
  };
  const reading = read().finally(() => {
    isRead = true;
    wake();
  });
  reading.catch(() => {});
  try {
    while (!isClosed) {
      if (rows.length > 0) {
        let count = 0;
        let taken = 0;
        while (count < rows.length && count < max.rows && taken < max.characters) {
          taken += (rows[count++] as Row).body.length;
        }
        characters -= taken;
        const batch = rows.splice(0, count);
        wake();
        yield batch;
      } else if (isRead) return await reading;
      else await changed();
    }
  } finally {
    close();
  }
}
