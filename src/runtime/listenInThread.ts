import { Worker } from "node:worker_threads";
import { CauceError } from "../core/errors.ts";
import type { FromHttpThread, HttpThreadData, ToHttpThread } from "./httpThread.ts";
import type { Listener } from "./node.ts";

/** Starts the HTTP thread and waits until it listens. Rejects with what kept it from that, such as `port_in_use`. */
export async function listenInThread(data: HttpThreadData): Promise<Listener> {
  const worker = new Worker(new URL(import.meta.resolve("#httpThread")), {
    workerData: data,
    transferList: data.connections.map(({ port }) => port),
    name: "cauce http",
  });
  let closing = false;
  const exited = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
  const failed = new Promise<never>((_, reject) => {
    const gone = (what: string, cause?: unknown) =>
      reject(new CauceError("internal_error", `the HTTP thread ${what}; restart the process`, { cause }));
    worker.once("error", (error) => gone(`ended (${error.message})`, error));
    worker.once("exit", () => closing || gone("ended"));
  });
  // Whoever listens hears of it; nobody need.
  failed.catch(() => {});
  const answer = await Promise.race([
    failed,
    new Promise<FromHttpThread>((resolve) => worker.once("message", resolve)),
  ]);
  if ("fault" in answer) {
    closing = true;
    await exited;
    throw new CauceError(answer.fault.code, answer.fault.message);
  }
  const tell = (message: ToHttpThread) => worker.postMessage(message);
  return {
    port: answer.listening,
    failed,
    close() {
      closing = true;
      tell("close");
      return exited;
    },
    abort: () => tell("abort"),
  };
}
