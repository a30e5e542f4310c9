import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";

export interface CountingProxy {
  readonly url: string;
  /** Calls by action since the last reset. */
  readonly calls: ReadonlyMap<string, number>;
  /** How many items the batched reads asked for. */
  itemsRead(): number;
  reset(): void;
  close(): Promise<void>;
}

/** Stands before an emulator and counts every caller's calls, as AWS would. */
export async function startCountingProxy(target: string): Promise<CountingProxy> {
  const calls = new Map<string, number>();
  let itemsRead = 0;
  const count = (headers: NodeJS.Dict<string | string[]>, body: Buffer): void => {
    const named = String(headers["x-amz-target"] ?? "").split(".")[1];
    const action = named ?? new URLSearchParams(body.toString()).get("Action") ?? "unknown";
    calls.set(action, (calls.get(action) ?? 0) + 1);
    if (action === "GetItem") itemsRead++;
    if (action === "BatchGetItem") {
      const { RequestItems } = JSON.parse(body.toString()) as { RequestItems: Record<string, { Keys: unknown[] }> };
      for (const { Keys } of Object.values(RequestItems)) itemsRead += Keys.length;
    }
  };
  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
    incoming.on("end", () => {
      const body = Buffer.concat(chunks);
      count(incoming.headers, body);
      const { method, headers } = incoming;
      const passed = request(new URL(incoming.url ?? "/", target), { method, headers }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      });
      passed.on("error", () => outgoing.destroy());
      passed.end(body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    itemsRead: () => itemsRead,
    reset() {
      calls.clear();
      itemsRead = 0;
    },
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
