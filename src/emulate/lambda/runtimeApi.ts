import type { ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import { localHost, serveLocally } from "../localServer.ts";

/** What a function made of an invocation. */
export type Outcome =
  | { readonly ok: true; readonly payload: string }
  /** `type` as Lambda names it: the error's class, `Runtime.ExitError`, `Sandbox.Timedout`. */
  | { readonly ok: false; readonly type: string; readonly message: string };

export interface Invocation {
  readonly requestId: string;
  readonly functionArn: string;
  /** Milliseconds since 1970. */
  readonly deadline: number;
  readonly payload: string;
}

/** One process's side of the Runtime API. */
export interface Desk {
  /** What the process is told as `AWS_LAMBDA_RUNTIME_API`. */
  readonly address: string;
  /** Hands an invocation over once the process asks for the next one, and resolves to what came of it. */
  invoke(invocation: () => Invocation): Promise<Outcome>;
  /** The process is gone: whatever waits for it ends with this. */
  close(reason: Outcome): void;
}

export interface RuntimeApi {
  open(): Desk;
  close(): Promise<void>;
}

interface Place {
  /** The process's open request for the next invocation. */
  asking: ServerResponse | undefined;
  waiting: (() => Invocation) | undefined;
  requestId: string | undefined;
  end: ((outcome: Outcome) => void) | undefined;
  /** Why the process is gone, once it is. */
  gone: Outcome | undefined;
}

/**
 * Lambda's Runtime API (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html), for any number of processes:
 * each has an address of its own, told apart by the path's first segment.
 */
export async function startRuntimeApi(): Promise<RuntimeApi> {
  const places = new Map<string, Place>();
  let numbers = 0;

  const hand = (place: Place): void => {
    const { asking, waiting } = place;
    if (asking === undefined || waiting === undefined) return;
    const { requestId, functionArn, deadline, payload } = waiting();
    place.asking = undefined;
    place.waiting = undefined;
    place.requestId = requestId;
    asking.writeHead(200, {
      "content-type": "application/json",
      "lambda-runtime-aws-request-id": requestId,
      "lambda-runtime-deadline-ms": String(deadline),
      "lambda-runtime-invoked-function-arn": functionArn,
    });
    asking.end(payload);
  };
  const end = (place: Place, outcome: Outcome): void => {
    const { end } = place;
    place.end = undefined;
    place.requestId = undefined;
    end?.(outcome);
  };

  const { port, close } = await serveLocally(
    async (incoming, outgoing) => {
      const [, key = "", path = ""] = /^\/(\w+)\/2018-06-01\/runtime\/(.+)$/.exec(incoming.url ?? "") ?? [];
      const place = places.get(key);
      if (place === undefined) return void outgoing.writeHead(404).end();
      if (path === "invocation/next") {
        place.asking = outgoing;
        return hand(place);
      }
      const body = await text(incoming);
      const [, id, kind] = /^invocation\/([^/]+)\/(response|error)$/.exec(path) ?? [];
      const isInit = path === "init/error";
      if (!isInit && (id === undefined || id !== place.requestId)) return void outgoing.writeHead(400).end();
      outgoing.writeHead(202).end();
      end(place, kind === "response" ? { ok: true, payload: body } : { ok: false, ...faultOf(body) });
    },
    { keepAliveTimeout: 0 },
  );

  return {
    open() {
      const key = `p${numbers++}`;
      const place: Place = {
        asking: undefined,
        waiting: undefined,
        requestId: undefined,
        end: undefined,
        gone: undefined,
      };
      places.set(key, place);
      return {
        address: `${localHost}:${port}/${key}`,
        invoke: (invocation) =>
          new Promise((resolve) => {
            if (place.gone !== undefined) return resolve(place.gone);
            place.waiting = invocation;
            place.end = resolve;
            hand(place);
          }),
        close(reason) {
          places.delete(key);
          place.gone = reason;
          end(place, reason);
        },
      };
    },
    close,
  };
}

function faultOf(body: string): { readonly type: string; readonly message: string } {
  const { errorType = "Error", errorMessage = "" } = JSON.parse(body) as { errorType?: string; errorMessage?: string };
  return { type: errorType, message: errorMessage };
}
