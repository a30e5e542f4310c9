import type { AddressInfo } from "node:net";
import type { Peers } from "./peers.ts";

/** The stores of an emulated account, each behind a port of this machine. */
export interface Emulators {
  /** By the service's name in a signature. */
  readonly ports: Readonly<Record<Service, number>>;
  close(): Promise<void>;
}

export type Service = "dynamodb" | "sns" | "sqs";

const host = "127.0.0.1";

/** Starts dynalite, which keeps its tables in `directory` where one is given, and fauxqs. */
export async function startEmulators(
  { dynalite, startFauxqs }: Pick<Peers, "dynalite" | "startFauxqs">,
  directory: string | undefined,
): Promise<Emulators> {
  const tables = dynalite({ createTableMs: 0, deleteTableMs: 0, updateTableMs: 0, path: directory });
  await new Promise<void>((resolve, reject) => {
    tables.once("error", reject);
    tables.listen(0, host, resolve);
  });
  const closeTables = (): Promise<void> =>
    new Promise((resolve) => {
      tables.close(() => resolve());
      tables.closeAllConnections();
    });
  const messages = await startFauxqs({ port: 0, host, logger: false }).catch(async (error: unknown) => {
    await closeTables();
    throw error;
  });
  return {
    ports: { dynamodb: (tables.address() as AddressInfo).port, sns: messages.port, sqs: messages.port },
    async close() {
      await messages.stop();
      await closeTables();
    },
  };
}
