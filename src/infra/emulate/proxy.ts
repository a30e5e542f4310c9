import { Agent, createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type Call, callOf, type Fate, type Hook } from "./call.ts";
import type { Emulators, Service } from "./emulators.ts";

export interface Proxy {
  readonly url: string;
  close(): Promise<void>;
}

interface Exchange {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Buffer;
}

/**
 * Stands before the emulators: every call of the SDK goes through it, and the hook says what becomes of each. What is
 * not signed is refused, as AWS would.
 */
export async function startProxy({ ports }: Pick<Emulators, "ports">, hook: Hook): Promise<Proxy> {
  const agent = new Agent({ keepAlive: true });
  const forward = ({ incoming, outgoing: caller }: Exchange, body: Buffer, service: Service): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const { host: _host, ...headers } = incoming.headers;
      const outgoing = httpRequest(
        { agent, host: "127.0.0.1", port: ports[service], method: incoming.method, path: incoming.url, headers },
        (response) => {
          readAll(response).then((read) => {
            const { connection: _connection, "transfer-encoding": _encoding, ...kept } = response.headers;
            resolve({ status: response.statusCode ?? 500, headers: kept, body: read });
          }, reject);
        },
      );
      outgoing.on("error", reject);
      // A long poll whose caller is gone must not take a message that nobody reads.
      caller.once("close", () => {
        if (!caller.writableFinished) outgoing.destroy();
      });
      outgoing.end(body);
    });

  const answer = async (exchange: Exchange): Promise<Answer | undefined> => {
    const { incoming } = exchange;
    const body = await readAll(incoming);
    const call = callOf(incoming.headers, body);
    if (call === undefined) return refusal("sqs", "MissingAuthenticationToken", "the request is not signed");
    const fate: Fate = call.function === undefined ? "pass" : await hook(call);
    if (fate === "deny") return denial(call);
    if (fate === "failBefore") return unavailable(call);
    if (typeof fate === "object") await new Promise((resolve) => setTimeout(resolve, fate.delayMilliseconds));
    const found = await forward(exchange, body, call.service);
    return fate === "failAfter" ? undefined : found;
  };

  const server = createServer({ keepAliveTimeout: 60_000 }, (incoming, outgoing) => {
    answer({ incoming, outgoing }).then(
      (found) => {
        // An answer that is lost on its way.
        if (found === undefined) return incoming.socket.destroy();
        return write(outgoing, found);
      },
      () => incoming.socket.destroy(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      agent.destroy();
      await closed;
    },
  };
}

function write(outgoing: ServerResponse, { status, headers, body }: Answer): void {
  outgoing.writeHead(status, { ...headers, "content-length": String(body.byteLength) } as Record<string, string>);
  outgoing.end(body);
}

/** As each service says that it does not allow a call. */
function denial({ service, function: caller, action, resources }: Call): Answer {
  const code = { dynamodb: "AccessDeniedException", sns: "AuthorizationError", sqs: "AccessDenied" }[service];
  const role = `the role of ${caller ?? "the emulator"}`;
  return refusal(service, code, `${role} is not authorized to perform: ${action} on resource: ${resources.join(", ")}`);
}

function refusal(service: Service, code: string, message: string, status = service === "dynamodb" ? 400 : 403): Answer {
  if (service === "sns") {
    const text = message.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
    const body = `<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error><Type>Sender</Type><Code>${code}</Code><Message>${text}</Message></Error><RequestId>refused</RequestId></ErrorResponse>`;
    return { status, headers: { "content-type": "text/xml" }, body: Buffer.from(body) };
  }
  return {
    status,
    headers: { "content-type": "application/x-amz-json-1.0" },
    body: Buffer.from(JSON.stringify({ __type: `com.amazonaws.${service}#${code}`, message })),
  };
}

function unavailable({ service }: Call): Answer {
  const code = service === "dynamodb" ? "InternalServerError" : "ServiceUnavailable";
  return refusal(service, code, "the service is not available for the moment", 503);
}

async function readAll(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}
