import { createServer, type IncomingMessage, maxHeaderSize, type RequestListener } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { constants } from "node:os";
import type { Duplex } from "node:stream";
import { getRequestListener, RequestError } from "@hono/node-server";
import type { Cauce } from "../cauce.ts";
import { CauceError } from "../core/errors.ts";
import type { ServerBindings } from "../http/body.ts";
import { errorProblem, type HttpErrorCode, problem, problemBody } from "../http/problem.ts";

export type Fetch = (request: Request, server: Required<ServerBindings>) => Response | Promise<Response>;

export interface Listener {
  readonly port: number;
  /** Stops accepting connections. Resolves once the requests in flight are answered and every connection is closed. */
  close(): Promise<void>;
  /** Ends every connection that is still open, with requests answered or not. */
  abort(): void;
}

const limits = {
  // `createBodies` limits the time of a body.
  requestTimeout: 0,
  connectionsCheckingInterval: 5_000,
  // Longer than the 60 s for which load balancers keep a connection, or they would send into one that just closed.
  keepAliveTimeout: 65_000,
  // Node's own answer to a request without a Host has no body. The answer of `errorHandler` has one.
  requireHostHeader: false,
};
const bodySeconds = 60;
const headersSeconds = 10;
const lastResponsesMilliseconds = 5_000;
const idleCheckMilliseconds = 50;
const sameSignalMilliseconds = 50;

/**
 * Binds `host` and `port` (0: any free port). A client must send a request's headers within `headersSeconds` (default 10)
 * and its body within `bodySeconds` (default 60). Otherwise the server answers 408 and closes the connection, which the
 * client could else hold for ever. Rejects with `port_in_use` or `address_unavailable`.
 */
export async function listen(
  fetch: Fetch,
  options: { host: string; port: number; headersSeconds?: number; bodySeconds?: number },
): Promise<Listener> {
  const { host, port } = options;
  const bodies = createBodies({ seconds: options.bodySeconds ?? bodySeconds });
  let closing = false;
  const latest = new WeakMap<Socket, IncomingMessage>();
  // Asked when the answer is there, since the request may have come before the closing. A client that is not told that
  // its connection closes sends its next request into one that is closed as idle before that request is read. An answer
  // with more requests behind it on its connection is not the last.
  const perhapsLast = (response: Response, incoming: IncomingMessage) => {
    if (closing && latest.get(incoming.socket) === incoming) response.headers.set("connection", "close");
    return response;
  };
  const listener = (request: Request, env: { incoming: unknown }) => {
    const incoming = env.incoming as IncomingMessage;
    latest.set(incoming.socket, incoming);
    const response = fetch(request, bodies.bindingsOf(incoming));
    return response instanceof Promise
      ? response.then((given) => perhapsLast(given, incoming))
      : perhapsLast(response, incoming);
  };
  const headersTimeout = (options.headersSeconds ?? headersSeconds) * 1_000;
  const server = createServer(
    { ...limits, headersTimeout },
    withHost(getRequestListener(listener, { errorHandler: addressProblem })),
  );
  server.on("clientError", respondMalformed);
  // Without these two listeners, Node hangs up on a CONNECT and refuses an unknown `Expect` with a 417, and neither
  // answer has a body.
  server.on("connect", (_request, socket) => {
    socket.on("error", () => {});
    respondMalformed({ code: "CONNECT" }, socket);
  });
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
      // Node closes the connections that are idle now. A connection that becomes idle later would stay open for as long
      // as it is kept alive.
      const idle = setInterval(() => server.closeIdleConnections(), idleCheckMilliseconds);
      await closed;
      clearInterval(idle);
      bodies.close();
    },
    abort: () => server.closeAllConnections(),
  };
}

/** Gives a request of HTTP/1.0 a Host, which that version does not ask for. Some health checks send such requests. */
function withHost(listener: RequestListener): RequestListener {
  return (incoming, outgoing) => {
    if (incoming.httpVersion === "1.0" && incoming.headers.host === undefined) incoming.headers.host = "localhost";
    listener(incoming, outgoing);
  };
}

/**
 * Serves and processes until `stopped` resolves, then drains: the port closes and `/readyz` turns 503, requests and
 * handlers under way finish (each handler within its own time), and the store closes. The port is bound before processing
 * starts. `stopped` may resolve at any time, also before the port is bound or while resources open. If a step fails,
 * nothing is left running.
 */
export async function run(
  cauce: Pick<Cauce, "start" | "drain" | "close">,
  options: {
    listen(): Promise<Listener>;
    readonly stopped: Promise<unknown>;
    onReady(port: number): void;
    onDrain(): void;
  },
): Promise<void> {
  const { stopped } = options;
  let listener: Listener | undefined;
  try {
    const listening = options.listen();
    listener = await unlessStopped(listening, stopped);
    if (listener === undefined)
      void listening.then(
        (tooLate) => tooLate.close(),
        () => {},
      );
    else if (
      await unlessStopped(
        cauce.start().then(() => true),
        stopped,
      )
    )
      options.onReady(listener.port);
    await stopped;
    options.onDrain();
  } finally {
    const closed = listener?.close();
    await cauce.drain();
    const late = setTimeout(() => listener?.abort(), lastResponsesMilliseconds);
    await closed;
    clearTimeout(late);
    await cauce.close();
  }
}

/** Resolves as `work` does; or to undefined if `stopped` resolves first. Then the work goes on, and its end is ignored. */
export async function unlessStopped<T>(work: Promise<T>, stopped: Promise<unknown>): Promise<T | undefined> {
  return Promise.race([stopped.then(() => undefined), work]);
}

/**
 * Resolves at the first SIGTERM or SIGINT, to its name. A second signal ends the process at once with exit code 128 plus
 * the signal's number, as shells count it. Ctrl+C under npm comes twice within about a millisecond, from the terminal and
 * from npm, and counts as one signal. Once `until` aborts, a signal ends the process by itself.
 */
export function signalled(until?: AbortSignal): Promise<"SIGTERM" | "SIGINT"> {
  return new Promise((resolve) => {
    let isOver = false;
    const onSignal = (signal: "SIGTERM" | "SIGINT") => {
      if (isOver) process.exit(128 + constants.signals[signal]);
      // The timer alone is not enough. A process that was held up sees the second of two signals that came together only
      // much later. So after the timer, the event loop takes in once more what has come before the state changes.
      // The immediate keeps its reference: an event loop does not turn for one without, and the next signal would come
      // before the state changes.
      const end = () => {
        isOver = true;
      };
      setTimeout(() => setImmediate(end), sameSignalMilliseconds).unref();
      resolve(signal);
    };
    for (const name of ["SIGTERM", "SIGINT"] as const) {
      process.on(name, onSignal);
      until?.addEventListener("abort", () => process.off(name, onSignal));
    }
  });
}

/**
 * Ends this process at once, as a signal does that is not heard. `process.exit` would wait for the threads of the process,
 * and a thread that migrates a store hears nothing until its statement has ended.
 */
export function endBySignal(signal: "SIGTERM" | "SIGINT"): never {
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
  // The system keeps such a signal from the first process of a container, which ends when its threads do.
  process.exit(128 + constants.signals[signal]);
}

/**
 * Calls back once when this process ends by itself (`exit`), or just before, when nothing is left that it waits for
 * (`beforeExit`). The returned function forgets the callback.
 */
export function onProcess(event: "exit" | "beforeExit", callback: () => void): () => void {
  process.once(event, callback);
  return () => process.off(event, callback);
}

function listenError({ code = "", message }: NodeJS.ErrnoException, host: string, port: number): CauceError {
  const reasons: Readonly<Record<string, string>> = {
    EADDRINUSE: `port ${port} on ${host} is taken; stop what listens there, or choose another port`,
    EADDRNOTAVAIL: `${host} is no address of this machine; choose one that is, such as 127.0.0.1`,
    ENOTFOUND: `the host ${host} is not known; choose an address of this machine, such as 127.0.0.1`,
    EACCES: `port ${port} needs rights that this process lacks; choose one from 1024`,
  };
  return new CauceError(
    code === "EADDRINUSE" ? "port_in_use" : "address_unavailable",
    reasons[code] ?? `${host} port ${port} cannot be bound: ${message}`,
  );
}

/** A body that is being read. */
interface TimedBody {
  /** The number of the check at which its time is over. */
  until: number;
  /** Of a body without a time limit: the bytes that had come at the last check. */
  bytes: number | undefined;
}

const checks = 12;

/**
 * Reads bodies off Node's requests, and cuts off a client that takes too long to send one. Node's own limit for a whole
 * request (`requestTimeout`) cannot be lifted for a body that is a stream, so it is off and this limit takes its place.
 * One timer serves all bodies, and a body has an entry only while it is being read.
 */
function createBodies({ seconds }: { seconds: number }) {
  const reading = new Map<IncomingMessage, TimedBody>();
  let check = 0;
  const timer = setInterval(
    () => {
      check++;
      for (const [incoming, body] of reading) {
        const { bytesRead } = incoming.socket;
        if (body.bytes !== undefined && body.bytes !== bytesRead) {
          body.bytes = bytesRead;
          body.until = check + checks;
        } else if (check >= body.until) {
          reading.delete(incoming);
          // A request whose answer is under way, line by line, is just broken off.
          if (body.bytes !== undefined) incoming.socket.destroy();
          else endWithProblem(incoming.socket, "request_timed_out", "the body did not come in time; send it again");
        }
      }
    },
    (seconds * 1_000) / checks,
  ).unref();

  const time = (incoming: IncomingMessage, bytes?: number): void => {
    reading.set(incoming, { until: check + checks, bytes });
  };
  const read = (incoming: IncomingMessage, bytesMax: number): Promise<Uint8Array | undefined> =>
    new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      let count = 0;
      time(incoming);
      const onData = (chunk: Buffer) => {
        count += chunk.length;
        chunks.push(chunk);
        if (count <= bytesMax) return;
        incoming.off("data", onData);
        reading.delete(incoming);
        resolve(undefined);
      };
      incoming.on("data", onData);
      incoming.on("end", () => {
        reading.delete(incoming);
        resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks));
      });
      incoming.on("error", (error) => {
        reading.delete(incoming);
        reject(error);
      });
    });

  return {
    bindingsOf: (incoming: IncomingMessage): Required<ServerBindings> => ({
      readBody: (bytesMax) => read(incoming, bytesMax),
      disableTimeout() {
        time(incoming, incoming.socket.bytesRead);
        incoming.once("close", () => reading.delete(incoming));
      },
    }),
    close: () => clearInterval(timer),
  };
}

/**
 * Answers bytes that Node could not read as a request (`clientError` of its server), and closes the connection. Node's
 * own answer has no body, and clients branch on the code of a problem.
 */
function respondMalformed(error: { readonly code?: string | undefined }, stream: Duplex): void {
  const socket = stream as Socket & { _httpMessage?: { headersSent: boolean } | null };
  // Once an answer has begun, bytes that follow belong to no request that could be answered.
  if (!socket.writable || error.code === "ECONNRESET" || socket._httpMessage?.headersSent) {
    socket.destroy();
    return;
  }
  endWithProblem(socket, ...(faults[error.code ?? ""] ?? noRequest));
}

/** Writes the last answer of a connection straight to its socket, for requests that have no response object. */
function endWithProblem(socket: Socket, code: HttpErrorCode, detail: string): void {
  const problem = problemBody(code, detail);
  const body = JSON.stringify(problem);
  const head = [
    `HTTP/1.1 ${problem.status} ${problem.title}`,
    "Content-Type: application/problem+json",
    `Content-Length: ${Buffer.byteLength(body)}`,
    "Connection: close",
  ];
  // The connection closes even if the client goes on sending.
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`, () => socket.destroy());
}

/** Answers a request whose Host and path make no address, such as `Host: a b`. The adapter's own answer has no body. */
function addressProblem(error: unknown): Response {
  if (!(error instanceof RequestError)) return errorProblem(error).response;
  return problem("invalid_request", "the header Host and the path make no address; send both as in a URL", {
    headers: { Connection: "close" },
  });
}

/** What is wrong with bytes that are no request, by Node's code. */
const faults: Readonly<Record<string, [HttpErrorCode, string]>> = {
  HPE_HEADER_OVERFLOW: [
    "headers_too_large",
    `the path and headers are larger than the ${maxHeaderSize} bytes that this server takes`,
  ],
  ERR_HTTP_REQUEST_TIMEOUT: [
    "request_timed_out",
    "the headers did not come within the time that this server allows; send it again",
  ],
  CONNECT: ["invalid_request", "this server is no proxy; it takes no CONNECT"],
};
const noRequest: [HttpErrorCode, string] = ["invalid_request", "this is no HTTP request that the server can read"];
