import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { constants } from "node:os";
import { getRequestListener } from "@hono/node-server";
import { CauceError } from "../core/errors.ts";
import { createBodies } from "./bodies.ts";
import { addressProblem, answerUnreadable } from "./unreadable.ts";

/** What this server offers for a request: a shorter way to its body, and more time for it. */
export interface Help {
  readBody(bytesMax: number): Promise<Uint8Array | undefined>;
  takeTime(): void;
}

export type Fetch = (request: Request, help: Help) => Response | Promise<Response>;

export interface Listener {
  readonly port: number;
  /** Stops accepting at once, and resolves when the requests in flight are answered and every connection is closed. */
  close(): Promise<void>;
  /** Ends the connections that are still open, answered or not. */
  abort(): void;
}

export interface Running {
  start(): Promise<void>;
  drain(): Promise<void>;
  close(): Promise<void>;
}

const limits = {
  // For bodies see `bodies.ts`.
  requestTimeout: 0,
  connectionsCheckingInterval: 5_000,
  // Longer than the 60 s for which load balancers keep a connection, or they would send into one that just closed.
  keepAliveTimeout: 65_000,
  // Node's own answer to a request without a Host has no body; `errorHandler` has one.
  requireHostHeader: false,
};
const bodySeconds = 60;
const headersSeconds = 10;
const lastAnswersMilliseconds = 5_000;
const idleCheckMilliseconds = 50;
const sameSignalMilliseconds = 50;

/**
 * Binds `host` and `port` (0: any free one). Headers must come within `headersSeconds` (default 10) and a body within
 * `bodySeconds` (default 60), or the client is cut off (408): it cannot hold a connection for ever. Rejects with
 * `port_in_use` or `address_unavailable`.
 */
export async function listen(
  fetch: Fetch,
  options: { host: string; port: number; headersSeconds?: number; bodySeconds?: number },
): Promise<Listener> {
  const { host, port } = options;
  const bodies = createBodies({ seconds: options.bodySeconds ?? bodySeconds });
  let closing = false;
  const listener = (request: Request, env: { incoming: unknown }) => {
    const incoming = env.incoming as IncomingMessage;
    const answer = fetch(request, {
      readBody: (bytesMax) => bodies.read(incoming, bytesMax),
      takeTime: () => bodies.follow(incoming),
    });
    return closing ? lastAnswer(answer) : answer;
  };
  const headersTimeout = (options.headersSeconds ?? headersSeconds) * 1_000;
  const server = createServer(
    { ...limits, headersTimeout },
    getRequestListener(listener, { errorHandler: addressProblem }),
  );
  server.on("clientError", answerUnreadable);
  // Without these, Node hangs up on a CONNECT and refuses an unknown `Expect` with a 417, both without a word.
  server.on("connect", (_request, socket) =>
    answerUnreadable(
      { code: "CONNECT" },
      socket.on("error", () => {}),
    ),
  );
  server.on("checkExpectation", (request, response) => server.emit("request", request, response));
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => {
      bodies.close();
      reject(listenError(error, host, port));
    });
    server.listen(port, host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      closing = true;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      // Node closes the connections that are idle now; one that answers its last request later would stay open for
      // as long as it is kept alive.
      const idle = setInterval(() => server.closeIdleConnections(), idleCheckMilliseconds);
      await closed;
      clearInterval(idle);
      bodies.close();
    },
    abort: () => server.closeAllConnections(),
  };
}

/** Answers, and has the connection closed after it: a client that never pauses would otherwise keep it open. */
async function lastAnswer(answer: Response | Promise<Response>): Promise<Response> {
  const response = await answer;
  response.headers.set("connection", "close");
  return response;
}

/**
 * Serves and processes until `stopped` resolves, then drains: the port closes and `/readyz` turns 503, requests and
 * handlers in hand finish (each handler within its own time), the store closes. The port is bound before processing
 * starts; whatever fails, nothing is left running.
 */
export async function run(
  cauce: Running,
  options: {
    listen(): Promise<Listener>;
    readonly stopped: Promise<unknown>;
    onReady(port: number): void;
    onDrain(): void;
  },
): Promise<void> {
  let listener: Listener | undefined;
  try {
    listener = await options.listen();
    await cauce.start();
    options.onReady(listener.port);
    await options.stopped;
    options.onDrain();
  } finally {
    const closed = listener?.close();
    await cauce.drain();
    const late = setTimeout(() => listener?.abort(), lastAnswersMilliseconds);
    await closed;
    clearTimeout(late);
    await cauce.close();
  }
}

/**
 * Resolves at the first SIGTERM or SIGINT, to its name. A second one exits at once with 128 plus its number, as shells count it.
 * Ctrl+C under npm comes twice within a millisecond or so, from the terminal and from npm: that is one signal.
 */
export function signalled(): Promise<"SIGTERM" | "SIGINT"> {
  return new Promise((resolve) => {
    let state: "none" | "first" | "later" = "none";
    const onSignal = (signal: "SIGTERM" | "SIGINT") => {
      if (state === "later") process.exit(128 + constants.signals[signal]);
      if (state === "first") return;
      state = "first";
      // The time alone would not do: a process that was held up in between sees the second of two signals that came
      // together much later. So one more look at what has come meanwhile lies between the time's end and the next signal.
      const ended = () => {
        state = "later";
      };
      setTimeout(() => setImmediate(ended).unref(), sameSignalMilliseconds).unref();
      resolve(signal);
    };
    process.on("SIGTERM", onSignal);
    process.on("SIGINT", onSignal);
  });
}

/** Calls back when this process ends, however it ends by itself; the returned function forgets it. */
export function atExit(callback: () => void): () => void {
  process.once("exit", callback);
  return () => process.off("exit", callback);
}

/** Calls back when nothing is left that this process waits for, just before it would end; the returned function forgets it. */
export function whenIdle(callback: () => void): () => void {
  process.once("beforeExit", callback);
  return () => process.off("beforeExit", callback);
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): Error {
  const reasons: Record<string, () => CauceError> = {
    EADDRINUSE: () =>
      new CauceError(
        "port_in_use",
        `port ${port} on ${host} is taken; stop what listens there, or choose another port`,
      ),
    EADDRNOTAVAIL: () =>
      new CauceError(
        "address_unavailable",
        `${host} is no address of this machine; choose one that is, such as 127.0.0.1`,
      ),
    ENOTFOUND: () =>
      new CauceError(
        "address_unavailable",
        `the host ${host} is not known; choose an address of this machine, such as 127.0.0.1`,
      ),
    EACCES: () =>
      new CauceError("address_unavailable", `port ${port} needs rights that this process lacks; choose one from 1024`),
  };
  const known = reasons[error.code ?? ""];
  return known?.() ?? new CauceError("address_unavailable", `${host} port ${port} cannot be bound: ${error.message}`);
}
