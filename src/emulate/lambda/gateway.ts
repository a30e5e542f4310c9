import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { httpApiSecondsMax, payloadBytesMax } from "../../backend/aws/quotas.ts";
import type { Clock } from "../../core/clock.ts";
import { type LocalServer, localHost, serveLocally } from "../localServer.ts";
import { account } from "../template/references.ts";
import type { ApiResource } from "../template/stack.ts";
import type { InvocationResult } from "./runtimeApi.ts";

interface GatewayOptions {
  readonly api: ApiResource;
  readonly port: number;
  readonly clock: Clock;
  invoke(name: string, event: unknown): Promise<InvocationResult>;
}

const graceMilliseconds = 1_000;
/** The content types that API Gateway hands over as text. It encodes every other body as base64. */
const textual = /^(text\/|application\/(json|javascript|xml|x-www-form-urlencoded|[\w.-]+\+(json|xml)|x-ndjson)\b)/;

/** Serves an HTTP API on a port of this machine. It hands requests to functions in the payload format 2.0. */
export async function startGateway({ api, port, clock, invoke }: GatewayOptions): Promise<LocalServer> {
  const handle = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const body = await readAll(incoming);
    if (body === undefined) return message(outgoing, 413, "Request Too Long");
    const { pathname } = new URL(incoming.url ?? "/", `http://${localHost}`);
    const route =
      api.routes.find(({ key }) => key === `${incoming.method} ${pathname}`) ??
      api.routes.find(({ key }) => key === "$default");
    if (route === undefined) return message(outgoing, 404, "Not Found");
    const late = Promise.withResolvers<undefined>();
    const cancel = clock.after(httpApiSecondsMax * 1_000, () => late.resolve(undefined));
    const event = makeEvent(incoming, body, route.key, api);
    const result = await Promise.race([invoke(route.function, event), late.promise]);
    cancel();
    if (result === undefined) return message(outgoing, 503, "Service Unavailable");
    if (!result.ok) return message(outgoing, 500, "Internal Server Error");
    write(outgoing, result.payload);
  };
  return serveLocally(
    (incoming, outgoing) => handle(incoming, outgoing).catch(() => message(outgoing, 500, "Internal Server Error")),
    { port, graceMilliseconds },
  );
}

function makeEvent(incoming: IncomingMessage, body: Buffer, routeKey: string, api: ApiResource): object {
  const [rawPath = "/", rawQueryString = ""] = (incoming.url ?? "/").split(/\?(.*)/s);
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(incoming.headers)) {
    if (value !== undefined && name !== "cookie") headers[name] = [value].flat().join(",");
  }
  const isText = textual.test(headers["content-type"] ?? "");
  const now = new Date();
  return {
    version: "2.0",
    routeKey,
    rawPath: decodeURI(rawPath),
    rawQueryString,
    cookies: incoming.headers.cookie?.split("; "),
    headers,
    requestContext: {
      accountId: account,
      apiId: api.id,
      domainName: headers.host ?? localHost,
      domainPrefix: api.name,
      http: {
        method: incoming.method,
        path: decodeURI(rawPath),
        protocol: `HTTP/${incoming.httpVersion}`,
        sourceIp: incoming.socket.remoteAddress,
        userAgent: headers["user-agent"] ?? "",
      },
      requestId: randomUUID(),
      routeKey,
      stage: "$default",
      time: now.toUTCString(),
      timeEpoch: now.getTime(),
    },
    body: body.byteLength === 0 ? undefined : body.toString(isText ? "utf8" : "base64"),
    isBase64Encoded: body.byteLength > 0 && !isText,
  };
}

interface FunctionResponse {
  readonly statusCode?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly cookies?: readonly string[];
  readonly body?: string;
  readonly isBase64Encoded?: boolean;
}

/** Writes the function's response. A result without a status code is the body itself. */
function write(outgoing: ServerResponse, payload: string): void {
  const response = JSON.parse(payload) as FunctionResponse | null;
  if (response?.statusCode === undefined) {
    outgoing.writeHead(200, { "content-type": "application/json" });
    return void outgoing.end(payload);
  }
  const { statusCode, headers = {}, cookies = [], body = "", isBase64Encoded } = response;
  const { "content-length": _length, ...kept } = headers;
  outgoing.writeHead(statusCode, { ...kept, ...(cookies.length === 0 ? {} : { "set-cookie": [...cookies] }) });
  outgoing.end(Buffer.from(body, isBase64Encoded === true ? "base64" : "utf8"));
}

function message(outgoing: ServerResponse, status: number, text: string): void {
  if (outgoing.headersSent) return void outgoing.destroy();
  outgoing.writeHead(status, { "content-type": "application/json" });
  outgoing.end(JSON.stringify({ message: text }));
}

/** Reads the body. Undefined if it is larger than the payload of an invocation may be. */
async function readAll(incoming: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of incoming) {
    bytes += (chunk as Buffer).byteLength;
    if (bytes <= payloadBytesMax) chunks.push(chunk as Buffer);
  }
  return bytes <= payloadBytesMax ? Buffer.concat(chunks) : undefined;
}
