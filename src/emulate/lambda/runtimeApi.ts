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

/** Why an invocation failed. `type` as Lambda names it: the error's class, `Runtime.ExitError`, `Sandbox.Timedout`. */
interface FunctionError {
  readonly ok: false;
  readonly type: string;
  readonly message: string;
}

export function functionError(type: string, message: string): FunctionError {
  return { ok: false, type, message };
}

type Ended = { readonly ok: true; readonly payload: string } | FunctionError;

/** What a function made of an invocation. */
export type InvocationResult = Ended & { readonly requestId: string };

/** One process's side of the Runtime API. */
export type RuntimeApiSession = ReturnType<typeof createSession>;

export interface RuntimeApi {
  open(): RuntimeApiSession;
  close(): Promise<void>;
}

/**
 * Lambda's Runtime API (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html), for any number of processes:
 * each has an address of its own, told apart by the path's first segment.
 */
export async function startRuntimeApi(): Promise<RuntimeApi> {
  const sessions = new Map<string, RuntimeApiSession>();
  let opened = 0;
  const { port, close } = await serveLocally(
    async (incoming, outgoing) => {
      const [, key = "", path = ""] = /^\/(\w+)\/2018-06-01\/runtime\/(.+)$/.exec(incoming.url ?? "") ?? [];
      const session = sessions.get(key);
      if (session === undefined) return void outgoing.writeHead(404).end();
      if (path === "invocation/next") return session.answerNext(outgoing);
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

/** What one process asks for and answers. It takes one invocation at a time. */
function createSession(address: string, onClose: () => void) {
  /** What the process gets when it asks for the next invocation. */
  let offered = Promise.withResolvers<Invocation>();
  /** The invocation that waits or runs, and who is told of its end. */
  let current: { readonly requestId: string; resolve(result: InvocationResult): void } | undefined;
  /** Why the process is gone, once it is. */
  let gone: FunctionError | undefined;

  const end = (result: Ended): void => {
    current?.resolve({ ...result, requestId: current.requestId });
    current = undefined;
  };
  return {
    /** What the process is told as `AWS_LAMBDA_RUNTIME_API`. */
    address,
    /** Hands an invocation over once the process asks for the next one, and resolves to what came of it. */
    invoke: (invocation: Invocation) =>
      new Promise<InvocationResult>((resolve) => {
        current = { requestId: invocation.requestId, resolve };
        if (gone === undefined) offered.resolve(invocation);
        else end(gone);
      }),
    /** Answers the process's request for its next invocation once there is one. */
    async answerNext(outgoing: ServerResponse): Promise<void> {
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
    /** Takes what the process answers. Returns false where no invocation waits for that. */
    take(path: string, body: string): boolean {
      const [, id, kind] = /^invocation\/([^/]+)\/(response|error)$/.exec(path) ?? [];
      if (path !== "init/error" && (id === undefined || id !== current?.requestId)) return false;
      end(kind === "response" ? { ok: true, payload: body } : parseError(body));
      return true;
    },
    /** The process is gone: whatever waits for it ends with this. */
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
