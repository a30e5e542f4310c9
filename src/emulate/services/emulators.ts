import { once } from "node:events";
import type { Server } from "node:http";
import { Readable } from "node:stream";
import { withPeers } from "../../deploy/optionalPeers.ts";
import { localHost } from "../localServer.ts";
import type { Headers, Service } from "./call.ts";

/** A request of the SDK, unchanged. */
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

/** DynamoDB, SNS and SQS of an emulated account. */
export interface Emulators {
  send(service: Service, request: ServiceRequest): Promise<ServiceResponse>;
  close(): Promise<void>;
}

/**
 * Starts dynalite (DynamoDB) and fauxqs (SNS and SQS). dynalite keeps its tables in `directory`, or in memory without
 * one. Requests reach both within this process: a connection to each would double the cost of a call.
 */
export async function startEmulators(
  { dynalite, buildFauxqs }: Pick<Peers, "dynalite" | "buildFauxqs">,
  directory: string | undefined,
): Promise<Emulators> {
  const tables = dynalite({ createTableMs: 0, deleteTableMs: 0, updateTableMs: 0, path: directory });
  // dynalite closes its database only if it listens on a port.
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

/** Sends a request to a server of this process without a connection. */
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
  // `cauce emulate` synthesizes first. With these packages in the list, one message names all that are missing.
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

/** Imports the optional packages of `cauce emulate`. Throws `package_missing`. */
export function loadPeers(): Promise<Peers> {
  return withPeers("cauce emulate", packages, importPeers);
}
