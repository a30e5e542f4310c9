import { once } from "node:events";
import type { Server } from "node:http";
import { Readable } from "node:stream";
import { withPeers } from "../../deploy/optionalPeers.ts";
import { localHost } from "../localServer.ts";
import type { Headers, Service } from "./call.ts";

/** A request of the SDK, as it came. */
export interface ServiceRequest {
  readonly url: string;
  readonly headers: Headers;
  readonly body: Buffer;
}

export interface ServiceResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Buffer;
}

/** The stores of an emulated account. */
export interface Emulators {
  send(service: Service, request: ServiceRequest): Promise<ServiceResponse>;
  close(): Promise<void>;
}

/**
 * dynalite, which keeps its tables in `directory` where one is given, and fauxqs. Both are asked within this process: a
 * connection to each would double what a call costs.
 */
export async function startEmulators(
  { dynalite, buildFauxqs }: Pick<Peers, "dynalite" | "buildFauxqs">,
  directory: string | undefined,
): Promise<Emulators> {
  const tables = dynalite({ createTableMs: 0, deleteTableMs: 0, updateTableMs: 0, path: directory });
  // It closes its database only with a port that it listens on.
  await once(tables.listen(0, localHost), "listening");
  const messages = buildFauxqs({ logger: false });
  return {
    async send(service, request) {
      if (service === "dynamodb") return sendToServer(tables, request);
      const { url, body: payload } = request;
      const headers = request.headers as Record<string, string>;
      const response = await messages.inject({ method: "POST", url, headers, payload });
      return { status: response.statusCode, headers: response.headers as Headers, body: response.rawPayload };
    },
    async close() {
      await messages.close();
      await new Promise<void>((resolve) => {
        tables.close(() => resolve());
        tables.closeAllConnections();
      });
    },
  };
}

/** Hands a request to a server without a connection. */
function sendToServer(server: Server, { url, headers, body }: ServiceRequest): Promise<ServiceResponse> {
  return new Promise((resolve) => {
    const request = Object.assign(Readable.from([body]), { method: "POST", url, headers });
    const given: Record<string, string> = {};
    const response = {
      statusCode: 200,
      setHeader: (name: string, value: string | number) => {
        given[name.toLowerCase()] = String(value);
      },
      end: (content: string | Buffer = "") =>
        resolve({ status: response.statusCode, headers: given, body: Buffer.from(content) }),
    };
    server.emit("request", request, response);
  });
}

const packages = [
  ...["dynalite", "fauxqs", "@aws-sdk/client-dynamodb", "@aws-sdk/client-sns", "@aws-sdk/client-sqs"],
  // Of the synthesis before it: all that is missing is told at once.
  ...["aws-cdk-lib", "constructs", "esbuild"],
];

async function importPeers() {
  const [{ default: dynalite }, { buildApp: buildFauxqs }, dynamo, sns, sqs] = await Promise.all([
    import("dynalite"),
    import("fauxqs"),
    import("@aws-sdk/client-dynamodb"),
    import("@aws-sdk/client-sns"),
    import("@aws-sdk/client-sqs"),
  ]);
  return { dynalite, buildFauxqs, dynamo, sns, sqs };
}

export type Peers = Awaited<ReturnType<typeof importPeers>>;

/** What only whoever emulates needs. Throws `package_missing`. */
export function loadPeers(): Promise<Peers> {
  return withPeers("cauce emulate", packages, importPeers);
}
