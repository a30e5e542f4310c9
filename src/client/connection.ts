import type { Clock, Random } from "../core/clock.ts";
import { type ErrorCode, retryDelaySeconds } from "../core/errors.ts";
import { ClientError, isPassing, responseError } from "./clientError.ts";

export interface ConnectionOptions {
  /** Sent as `Authorization: Bearer …`. Default: none. */
  readonly apiKey?: string | undefined;
  /** Default: the platform's `fetch`. */
  readonly fetch?: ((url: string, init: RequestInit) => Promise<Response>) | undefined;
  /** How many times a request is repeated at most, if it may be repeated. Default 4. */
  readonly retries?: number | undefined;
  /** Seconds after which a try without a whole response counts as lost. Default 30. */
  readonly timeoutSeconds?: number | undefined;
  /** Default: the machine's clock. */
  readonly clock?: Clock | undefined;
  /** Default: `Math.random`. */
  readonly random?: Random | undefined;
}

interface ClientRequest {
  readonly method: "GET" | "POST" | "DELETE";
  readonly url: string;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string | undefined>> | undefined;
  readonly signal?: AbortSignal | undefined;
  /**
   * `always`: doing it twice has the effect of doing it once. `refused`: it is repeated only after a response that says
   * that nothing was done.
   */
  readonly repeat: "always" | "refused";
  /** The code of a refusal which, after a try whose response was lost, proves that the try was carried out. */
  readonly doneOnceRefusedWith?: ErrorCode;
}

export interface ClientResponse {
  readonly status: number;
  /** The JSON of the response. Undefined: the response was empty. */
  readonly json: unknown;
}

export interface Connection {
  readonly clock: Clock;
  /**
   * Sends a request until a response comes or the tries are used up. Rejects with the signal's reason, or with a
   * `ClientError`: the server's code, `unreachable` or `unexpected_answer`.
   */
  send(sent: ClientRequest): Promise<ClientResponse>;
}

/** The response to one try, or the reason why none came. */
type TryResult =
  | { readonly status: number; readonly text: string; readonly retryAfter: string | null }
  | { readonly lost: unknown };

const backoff = { attempts: Infinity, baseSeconds: 0.25, maxSeconds: 10 } as const;
// If a server asks for more than 60 s, the caller gets the error at once.
const retryAfterSecondsMax = 60;

export function createConnection(options: ConnectionOptions): Connection {
  const { retries = 4, timeoutSeconds = 30, clock = standardClock(), random = Math.random } = options;
  // Looked up at each call, since a page or a test may replace it later.
  const callFetch = options.fetch ?? ((url: string, init: RequestInit) => globalThis.fetch(url, init));

  const once = async (sent: ClientRequest, init: RequestInit): Promise<TryResult> => {
    const limit = deadline(clock, timeoutSeconds, sent.signal);
    try {
      const response = await callFetch(sent.url, { ...init, signal: limit.signal });
      // A response whose body breaks off is as lost as a response that never came.
      return {
        status: response.status,
        text: await response.text(),
        retryAfter: response.headers.get("retry-after"),
      };
    } catch (error) {
      sent.signal?.throwIfAborted();
      return { lost: limit.passed ? new Error(`no answer within ${timeoutSeconds} s`) : error };
    } finally {
      limit.clear();
    }
  };

  return {
    clock,
    async send(sent) {
      const init = initOf(sent, options.apiKey);
      sent.signal?.throwIfAborted();
      let unsure = false;
      for (let tries = 1; ; tries++) {
        const result = await once(sent, init);
        if (!("lost" in result) && result.status >= 200 && result.status < 300) {
          return { status: result.status, json: jsonOf(sent.url, result) };
        }
        const error = "lost" in result ? lostError(sent.url, result.lost, tries) : responseError(sent.url, result);
        const { status } = error;
        if (unsure && error.code === sent.doneOnceRefusedWith) return { status: 200, json: undefined };
        const refused = status === 429 || status === 503;
        // A gateway may send 502 or 504 although the server has carried the request out.
        unsure ||= status === undefined || (isPassing(status) && !refused);
        const afterSeconds = "lost" in result ? 0 : secondsOf(result.retryAfter, clock.now());
        const again = refused || (sent.repeat === "always" && (status === undefined || isPassing(status)));
        if (!again || tries > retries || afterSeconds > retryAfterSecondsMax) throw error;
        await sleep(clock, afterSeconds + retryDelaySeconds(backoff, tries, random), sent.signal);
      }
    },
  };
}

function initOf({ method, body, headers }: ClientRequest, apiKey: string | undefined): RequestInit {
  const all: Record<string, string | undefined> = {
    accept: "application/json",
    authorization: apiKey === undefined ? undefined : `Bearer ${apiKey}`,
    "content-type": body === undefined ? undefined : "application/json",
    ...headers,
  };
  const given = new Headers();
  for (const [name, value] of Object.entries(all)) {
    if (value === undefined) continue;
    try {
      given.set(name, value);
    } catch (cause) {
      throw new ClientError("invalid_request", `the header ${name} must be visible ASCII characters`, { cause });
    }
  }
  return body === undefined ? { method, headers: given } : { method, headers: given, body: JSON.stringify(body) };
}

function jsonOf(url: string, { status, text }: { status: number; text: string }): unknown {
  if (text === "") return undefined;
  try {
    return JSON.parse(text);
  } catch {
    throw new ClientError("unexpected_answer", `${url} answered ${status} without JSON; check the URL`, { status });
  }
}

function lostError(url: string, cause: unknown, tries: number): ClientError {
  const times = tries === 1 ? "" : ` (tried ${tries} times)`;
  return new ClientError(
    "unreachable",
    `cannot reach ${new URL(url).origin}: ${reasonOf(cause)}${times}; check that the server runs and that the URL is right`,
    { cause },
  );
}

/** Finds why `fetch` failed. Node's says only "fetch failed" and hides the reason in the cause; browsers tell none. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause as { code?: unknown; message?: unknown } | undefined;
  const reason = cause?.code ?? cause?.message ?? error.message;
  return String(reason === "" ? error.name : reason);
}

/** Reads the seconds that `Retry-After` asks for, as a number or as a date. */
function secondsOf(retryAfter: string | null, now: number): number {
  if (retryAfter === null) return 0;
  if (/^\d+$/.test(retryAfter)) return Number(retryAfter);
  const at = Date.parse(retryAfter);
  return Number.isNaN(at) ? 0 : Math.max(0, (at - now) / 1_000);
}

/** The machine's clock over the standard timers, which browsers have too. A pending call keeps a process alive. */
function standardClock(): Clock {
  const after: Clock["after"] = (milliseconds, callback) => {
    // setTimeout overflows at 2^31 ms (24.8 days) and fires at once.
    const timer = setTimeout(callback, Math.min(Math.max(0, milliseconds), 2 ** 31 - 1));
    return () => clearTimeout(timer);
  };
  return {
    now: Date.now,
    monotonic: () => performance.now(),
    at: (atMilliseconds, callback) => after(atMilliseconds - Date.now(), callback),
    after,
  };
}

/** Resolves after `seconds`. Rejects with the signal's reason as soon as the signal aborts. */
export function sleep(clock: Clock, seconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      cancel();
      reject(signal?.reason);
    };
    const cancel = clock.after(seconds * 1_000, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

interface Deadline {
  /** Aborts when the time is over, or when the caller's own signal aborts. */
  readonly signal: AbortSignal;
  /** Whether the time is over and the caller did not abort before. */
  readonly passed: boolean;
  /** Ends the limit without aborting. */
  clear(): void;
}

/** Starts a limit of `seconds` from now. */
export function deadline(clock: Clock, seconds: number, signal: AbortSignal | undefined): Deadline {
  const own = new AbortController();
  const clear = clock.after(seconds * 1_000, () => own.abort());
  return {
    signal: signal === undefined ? own.signal : AbortSignal.any([signal, own.signal]),
    get passed() {
      return own.signal.aborted && signal?.aborted !== true;
    },
    clear,
  };
}
