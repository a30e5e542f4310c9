import { Agent, request } from "node:http";

export interface ClientResponse {
  readonly status: number;
  readonly body: string;
}

export type Client = ReturnType<typeof openClient>;

/** Keeps one connection alive, and opens it again each time that the server dies. */
export function openClient() {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const send = (method: string, url: string, headers: Record<string, string>, body?: string) =>
    new Promise<ClientResponse>((resolve, reject) => {
      const sent = request(url, { method, agent, headers }, (response) => {
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
    get: (url: string) => send("GET", url, {}),
    /**
     * Rejects if the connection ends before the whole answer is here. It is then unknown whether the server stored the
     * order.
     */
    post(url: string, value: unknown, key: string | null = null) {
      const body = JSON.stringify(value);
      const headers = { "content-type": "application/json", "content-length": String(Buffer.byteLength(body)) };
      return send("POST", url, key === null ? headers : { ...headers, "idempotency-key": key }, body);
    },
    close: () => agent.destroy(),
  };
}
