import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerOptions, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { CauceError } from "../core/errors.ts";

export interface LocalServer {
  readonly port: number;
  /** Stops accepting, waits for open requests, and cuts the connections that are left after `graceMilliseconds`. */
  close(): Promise<void>;
}

interface LocalServerOptions extends ServerOptions {
  /** Default 0: any free port. */
  readonly port?: number;
  /** How long `close` waits for open requests, in milliseconds. Default 0. */
  readonly graceMilliseconds?: number;
}

export const localHost = "127.0.0.1";

/**
 * Serves HTTP to this machine alone. If handling a request fails, the server cuts its connection.
 * Throws `port_in_use` or `address_unavailable`.
 */
export async function serveLocally(
  handle: (incoming: IncomingMessage, outgoing: ServerResponse) => Promise<void>,
  { port = 0, graceMilliseconds = 0, ...options }: LocalServerOptions = {},
): Promise<LocalServer> {
  const server = createServer(options, (incoming, outgoing) => {
    handle(incoming, outgoing).catch(() => incoming.socket.destroy());
  });
  try {
    await once(server.listen(port, localHost), "listening");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw code === "EADDRINUSE"
      ? new CauceError(
          "port_in_use",
          `port ${port} on ${localHost} is taken; stop what listens there, or choose another port`,
        )
      : new CauceError("address_unavailable", `${localHost} port ${port} cannot be bound: ${message}`);
  }
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      const closed = once(server.close(), "close");
      const late = setTimeout(() => server.closeAllConnections(), graceMilliseconds);
      await closed;
      clearTimeout(late);
    },
  };
}
