/**
 * The HTTP side of `cauce start`, in a thread of its own: it parses, checks and stores orders through the store's
 * writer without the thread that runs the handlers, so a handler that computes for a second does not keep an order from
 * being taken in.
 */
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { type SqliteConnection, sqliteClient } from "../backend/sqlite/index.ts";
import { createCauce } from "../cauce.ts";
import { CauceError, type ErrorCode } from "../core/errors.ts";
import type { App } from "../core/handlers.ts";
import type { Auth } from "../http/auth.ts";
import { listen } from "./node.ts";

export interface HttpThreadData {
  /** The app's module, as given on the command line; its workflows have the schemas that requests are checked with. */
  readonly app: string;
  readonly connections: readonly SqliteConnection[];
  readonly host: string;
  readonly port: number;
  readonly auth: Auth | undefined;
  readonly basePath: string | undefined;
  readonly bodyBytesMax: number;
}

export type FromHttpThread =
  | { readonly listening: number }
  | { readonly fault: { readonly code: ErrorCode; readonly message: string } };
export type ToHttpThread = "close" | "abort";

if (parentPort !== null) {
  const owner = parentPort;
  serve(owner, workerData as HttpThreadData).catch((error: unknown) => {
    const code = error instanceof CauceError ? error.code : "internal_error";
    const message = error instanceof Error ? error.message : String(error);
    owner.postMessage({ fault: { code, message } } satisfies FromHttpThread);
    owner.close();
  });
}

async function serve(owner: MessagePort, data: HttpThreadData): Promise<void> {
  const { connections, auth, basePath, bodyBytesMax } = data;
  const module = (await import(pathToFileURL(resolve(data.app)).href)) as { readonly default: App | readonly App[] };
  const cauce = await createCauce({
    apps: module.default,
    // The owner's thread processes, and knows what it delivers: here orders are placed, read and operated alone.
    backend: (options) => {
      const connection = connections.find(({ workflow }) => workflow === options.workflow);
      if (connection === undefined) throw new CauceError("internal_error", `no store for "${options.workflow}"`);
      return sqliteClient(connection)(options);
    },
    auth,
    basePath,
    bodyBytesMax,
  });
  try {
    const listener = await listen(cauce.fetch, data);
    owner.on("message", (message: ToHttpThread) => {
      if (message === "abort") listener.abort();
      else void close();
    });
    const close = async () => {
      await Promise.all([cauce.drain(), listener.close()]);
      await cauce.close();
      owner.close();
    };
    owner.postMessage({ listening: listener.port } satisfies FromHttpThread);
  } catch (error) {
    await cauce.close();
    throw error;
  }
}
