import type { AddressInfo, Server } from "node:net";
import type { Cauce } from "cauce";

export interface Shop {
  readonly url: string;
  /** Answers open requests, lets running handlers end, and closes. */
  close(): Promise<void>;
}

/** Binds the port of any HTTP server, then starts Cauce. At the end it stops them the other way round. */
export async function listen(
  server: Pick<Server, "once" | "listen" | "address" | "close">,
  port: number,
  cauce: Cauce,
): Promise<Shop> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  await cauce.start();
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      await new Promise((resolve) => server.close(resolve));
      await cauce.close();
    },
  };
}
