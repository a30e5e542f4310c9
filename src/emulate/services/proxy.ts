import type { ServerResponse } from "node:http";
import type { SQSClientConfig } from "@aws-sdk/client-sqs";
import { localHost, serveLocally } from "../localServer.ts";
import { type AwsCall, type Hook, readCall, readSigner, type Service } from "./call.ts";
import type { Emulators, ServiceRequest, ServiceResponse } from "./emulators.ts";

export interface AwsProxy {
  readonly url: string;
  /** Sends a request without a connection. Resolves to undefined if the response is lost. */
  send(request: ServiceRequest): Promise<ServiceResponse | undefined>;
  close(): Promise<void>;
}

/**
 * Starts the proxy in front of the emulators. Every call of the SDK passes it, and the hook decides the fate of each
 * call. The proxy refuses requests without a signature, as AWS does.
 */
export async function startProxy(emulators: Pick<Emulators, "send">, hook: Hook | undefined): Promise<AwsProxy> {
  const send: AwsProxy["send"] = async (request) => {
    const signer = readSigner(request.headers);
    if (signer === undefined) return refusal("sqs", "MissingAuthenticationToken", "the request is not signed");
    // Parsing a call takes time. Only a hook needs it, and no hook sees the emulator's own calls.
    if (hook === undefined || signer.function === undefined) return emulators.send(signer.service, request);
    const call = readCall(signer, request.headers, request.body);
    const fate = await hook(call);
    if (fate === "deny") return denial(call);
    if (fate === "failBefore") return unavailable(call);
    if (typeof fate === "object") await new Promise((resolve) => setTimeout(resolve, fate.delayMilliseconds));
    const response = await emulators.send(call.service, request);
    return fate === "failAfter" ? undefined : response;
  };

  const { port, close } = await serveLocally(
    async (incoming, outgoing) => {
      const { url = "/", headers } = incoming;
      const chunks: Buffer[] = [];
      for await (const chunk of incoming) chunks.push(chunk as Buffer);
      const response = await send({ url, headers, body: Buffer.concat(chunks) });
      // The response is lost: the caller sees its connection break.
      if (response === undefined) incoming.socket.destroy();
      else write(outgoing, response);
    },
    { keepAliveTimeout: 60_000 },
  );
  return { url: `http://${localHost}:${port}`, send, close };
}

function write(outgoing: ServerResponse, { status, headers, body }: ServiceResponse): void {
  const { connection: _connection, "transfer-encoding": _encoding, ...kept } = headers;
  outgoing.writeHead(status, { ...kept, "content-length": String(body.byteLength) } as Record<string, string>);
  outgoing.end(body);
}

/** Makes the response with which each service refuses a call that the role does not allow. */
function denial({ service, function: caller, action, resources }: AwsCall): ServiceResponse {
  const code = { dynamodb: "AccessDeniedException", sns: "AuthorizationError", sqs: "AccessDenied" }[service];
  const role = `the role of ${caller ?? "the emulator"}`;
  return refusal(service, code, `${role} is not authorized to perform: ${action} on resource: ${resources.join(", ")}`);
}

function refusal(service: Service, code: string, message: string, given?: number): ServiceResponse {
  const status = given ?? (service === "dynamodb" ? 400 : 403);
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

function unavailable({ service }: AwsCall): ServiceResponse {
  const code = service === "dynamodb" ? "InternalServerError" : "ServiceUnavailable";
  return refusal(service, code, "the service is not available for the moment", 503);
}

type RequestHandler = Exclude<SQSClientConfig["requestHandler"], undefined>;

/** Makes a request handler for an SDK client of this process. A connection would double the cost of a call. */
export function inProcess({ send }: Pick<AwsProxy, "send">): RequestHandler {
  return {
    async handle(
      request: {
        readonly path: string;
        readonly headers: Readonly<Record<string, string>>;
        readonly body?: string | Uint8Array;
      },
      { abortSignal }: { readonly abortSignal?: AbortSignal } = {},
    ) {
      const { path, headers, body = "" } = request;
      // The SDK warns if a string method of its body is called, as `Buffer.from(body)` does.
      const isBytes = body instanceof Uint8Array;
      const bytes = isBytes ? Buffer.from(body.buffer, body.byteOffset, body.byteLength) : Buffer.from(body);
      const sent = send({ url: path, headers, body: bytes });
      const response = await (abortSignal === undefined ? sent : Promise.race([sent, aborted(abortSignal)]));
      // A lost response looks like this on a connection. The SDK tries again.
      if (response === undefined) throw Object.assign(new Error("the answer is lost"), { code: "ECONNRESET" });
      return { response: { statusCode: response.status, headers: response.headers, body: response.body } };
    },
    updateHttpClientConfig() {},
    httpHandlerConfigs: () => ({}),
  } as unknown as RequestHandler;
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const abort = () => reject(Object.assign(new Error("aborted"), { name: "AbortError" }));
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
  });
}
