/**
 * Runs in a function's process: takes invocations from the Runtime API, one after the other, and hands each to the
 * handler. Its arguments are the Runtime API's address, the folder of the code and the handler's name.
 */
import { once } from "node:events";
import { type IncomingHttpHeaders, type IncomingMessage, request } from "node:http";
import { enableCompileCache, flushCompileCache } from "node:module";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { pathToFileURL } from "node:url";
import { isError } from "../../core/reasons.ts";

const [api = "", directory = "", handlerName = ""] = process.argv.slice(2);
const [host = "", root = ""] = api.split(/(?=\/)/);
const [hostname, port] = host.split(":");
const base = `${root}/2018-06-01/runtime`;

// The emulator holds the other end of stdin. When the emulator ends, this process ends with it.
process.stdin.resume();
process.stdin.once("close", () => process.exit(0));

// A function has many short-lived processes, and compiling the bundle takes most of each start.
enableCompileCache();

type Handler = (event: unknown, context: object) => unknown;

try {
  const [file = "", name = ""] = handlerName.split(/\.(?=[^.]+$)/);
  const module = (await import(pathToFileURL(join(directory, `${file}.mjs`)).href)) as Record<string, Handler>;
  const handler = module[name];
  if (handler === undefined) throw new Error(`${file}.mjs exports no ${name}`);
  // The emulator kills this process, so Node never flushes its cache at exit.
  flushCompileCache();
  for (;;) await serve(handler);
} catch (error) {
  await send("POST", "/init/error", errorBody(error));
  process.exit(1);
}

async function serve(handler: Handler): Promise<void> {
  const { headers, body } = await send("GET", "/invocation/next");
  const id = String(headers["lambda-runtime-aws-request-id"]);
  const deadline = Number(headers["lambda-runtime-deadline-ms"]);
  const context = {
    awsRequestId: id,
    invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
    getRemainingTimeInMillis: () => deadline - Date.now(),
  };
  try {
    const result = await handler(JSON.parse(body), context);
    await send("POST", `/invocation/${id}/response`, result ?? null);
  } catch (error) {
    await send("POST", `/invocation/${id}/error`, errorBody(error));
  }
}

function errorBody(error: unknown): object {
  const { name, message, stack } = isError(error) ? error : new Error(String(error));
  return { errorType: name, errorMessage: message, trace: (stack ?? "").split("\n") };
}

async function send(
  method: string,
  path: string,
  content?: unknown,
): Promise<{ headers: IncomingHttpHeaders; body: string }> {
  const outgoing = request({ hostname, port, method, path: base + path });
  outgoing.end(content === undefined ? undefined : JSON.stringify(content));
  const [response] = (await once(outgoing, "response")) as [IncomingMessage];
  return { headers: response.headers, body: await text(response) };
}
