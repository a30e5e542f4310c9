import type { ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import { localHost, serveLocally } from "../localServer.ts";

interface Invocation {
  readonly requestId: string;
  readonly functionArn: string;
  readonly payload: string;
  /** Called when the process takes the invocation. Returns its deadline, in milliseconds since 1970. */
  start(): number;
}

/** Makes a failure. `type` is Lambda's name for it: the error's class, `Runtime.ExitError` or `Sandbox.Timedout`. */
export function functionError(type: string, message: string) {
  return { ok: false as const, type, message };
}

type FunctionError = Readonly<ReturnType<typeof functionError>>;
type Ended = { readonly ok: true; readonly payload: string } | FunctionError;

/** What came of an invocation. */
export type InvocationResult = Ended & { readonly requestId: string };

/** The emulator's side of the Runtime API for one process. */
type RuntimeApiSession = ReturnType<typeof createSession>;

export interface RuntimeApi {
  open(): RuntimeApiSession;
  close(): Promise<void>;
}

/**
 * Serves Lambda's Runtime API (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html) to any number of
 * processes. Each process has an address of its own: the first segment of the path tells the processes apart.
 */
export async function startRuntimeApi(): Promise<RuntimeApi> {
  const sessions = new Map<string, RuntimeApiSession>();
  let opened = 0;
  const { port, close } = await serveLocally(
    async (incoming, outgoing) => {
      const [, key = "", path = ""] = /^\/(\w+)\/2018-06-01\/runtime\/(.+)$/.exec(incoming.url ?? "") ?? [];
      const session = sessions.get(key);
      if (session === undefined) return void outgoing.writeHead(404).end();
      if (path === "invocation/next") return session.respondNext(outgoing);
      outgoing.writeHead(session.take(path, await text(incoming)) ? 202 : 400).end();
    },
    { keepAliveTimeout: 0 },
  );
  return {
    open() {
      const key = `p${opened++}`;
      const session = createSession(`${localHost}:${port}/${key}`, () => sessions.delete(key));
      sessions.set(key, session);
      return session;
    },
    close,
  };
}

/** Holds the state of one process, which takes one invocation at a time. */
function createSession(address: string, onClose: () => void) {
  /** Resolves to the invocation that the process takes next. */
  let offered = Promise.withResolvers<Invocation>();
  /** The invocation that waits or runs. `resolve` ends it. */
  let current: { readonly requestId: string; resolve(result: InvocationResult): void } | undefined;
  /** Why the process has ended, once it has. */
  let gone: FunctionError | undefined;

  const end = (result: Ended): void => {
    current?.resolve({ ...result, requestId: current.requestId });
    current = undefined;
  };
  return {
    /** The process's `AWS_LAMBDA_RUNTIME_API`. */
    address,
    /** Hands an invocation to the process once that asks for the next one. Resolves when the invocation has ended. */
    invoke: (invocation: Invocation) =>
      new Promise<InvocationResult>((resolve) => {
        current = { requestId: invocation.requestId, resolve };
        if (gone === undefined) offered.resolve(invocation);
        else end(gone);
      }),
    /** Answers the process's request for its next invocation, as soon as there is one. */
    async respondNext(outgoing: ServerResponse): Promise<void> {
      const { requestId, functionArn, payload, start } = await offered.promise;
      offered = Promise.withResolvers();
      outgoing.writeHead(200, {
        "content-type": "application/json",
        "lambda-runtime-aws-request-id": requestId,
        "lambda-runtime-deadline-ms": String(start()),
        "lambda-runtime-invoked-function-arn": functionArn,
      });
      outgoing.end(payload);
    },
    /** Takes the process's result or error. Returns false if it belongs to no open invocation. */
    take(path: string, body: string): boolean {
      const [, id, kind] = /^invocation\/([^/]+)\/(response|error)$/.exec(path) ?? [];
      if (path !== "init/error" && (id === undefined || id !== current?.requestId)) return false;
      end(kind === "response" ? { ok: true, payload: body } : parseError(body));
      return true;
    },
    /** Ends the session of a process that has ended, and the open invocation with this reason. */
    close(reason: FunctionError): void {
      onClose();
      gone = reason;
      end(reason);
    },
  };
}

function parseError(body: string): FunctionError {
  const { errorType = "Error", errorMessage = "" } = JSON.parse(body) as { errorType?: string; errorMessage?: string };
  return functionError(errorType, errorMessage);
}
