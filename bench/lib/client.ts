import { Agent, request } from "node:http";

export interface ClientResponse {
  readonly status: number;
  readonly body: string;
}

export type Client = ReturnType<typeof openClient>;

/** Keeps one connection to a server. Every row is observed in the same way, so that observing costs each the same. */
export function openClient(url: string) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const send = (method: string, path: string, body?: string, type = "application/json") =>
    new Promise<ClientResponse>((resolve, reject) => {
      const headers =
        body === undefined ? {} : { "content-type": type, "content-length": String(Buffer.byteLength(body)) };
      const sent = request(url + path, { method, agent, headers }, (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => {
          text += chunk;
        });
        response.on("end", () => resolve({ status: response.statusCode ?? 0, body: text }));
        response.on("error", reject);
      });
      sent.on("error", reject);
      sent.end(body);
    });
  return {
    get: (path: string) => send("GET", path),
    post: (path: string, value: unknown) => send("POST", path, JSON.stringify(value)),
    postLines: (path: string, lines: readonly unknown[]) =>
      send("POST", path, lines.map((line) => `${JSON.stringify(line)}\n`).join(""), "application/x-ndjson"),
    close: () => agent.destroy(),
  };
}

/** Reads JSON. Rejects on any status but 200. */
export async function getJson<T>(client: Client, path: string): Promise<T> {
  const { status, body } = await client.get(path);
  if (status !== 200) throw new Error(`GET ${path} answered ${status}: ${body.slice(0, 300)}`);
  return JSON.parse(body) as T;
}
