import { Worker } from "node:worker_threads";
import { CauceError, type ErrorCode } from "../../core/errors.ts";
import type { Answer, Opened, Request, WriterData } from "./protocol.ts";

/** The writer's thread. */
export interface WriterWorker {
  readonly nextDelayed: number | null;
  post(request: Request): void;
  onAnswer(listener: (answer: Answer) => void): void;
  /** Called once, when the thread is gone. */
  onEnd(listener: (reason: CauceError) => void): void;
  close(): Promise<void>;
}

/** Starts the thread and waits until it has opened the store. Rejects with what kept it from that. */
export async function startWriter(data: WriterData): Promise<WriterWorker> {
  const worker = new Worker(new URL(import.meta.resolve("#sqliteWriter")), {
    workerData: data,
    // Batches come and go; a larger young generation would only keep more of their garbage.
    resourceLimits: { maxYoungGenerationSizeMb: 8 },
    name: `cauce ${data.workflow}`,
  });
  const opened = await new Promise<Opened>((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
  if (!opened.opened) {
    await worker.terminate();
    throw new CauceError(opened.fault.code as ErrorCode, opened.fault.message);
  }
  let reason = new CauceError("closed", "the store is closed");
  worker.on("error", (cause) => {
    const message = `the writer of ${data.file} ended: ${cause.message}; restart the process`;
    reason = new CauceError("store_unavailable", message, { cause });
  });
  const exited = new Promise<void>((resolve) => worker.once("exit", () => resolve()));

  return {
    nextDelayed: opened.nextDelayed,
    post: (request) => worker.postMessage(request),
    onAnswer: (listener) => worker.on("message", listener),
    onEnd: (listener) => void exited.then(() => listener(reason)),
    close() {
      worker.postMessage("close" satisfies Request);
      return exited;
    },
  };
}
