import { MessageChannel, receiveMessageOnPort, Worker } from "node:worker_threads";
import { CauceError, type ErrorCode } from "../../core/errors.ts";
import type { Answer, Batch, Opened, Request, WriterData } from "./protocol.ts";

/** The writer's thread. */
export interface WriterWorker {
  readonly nextDelayed: number | null;
  post(batch: Batch): void;
  /** Holds this thread until the answer to the only batch on its way is there; undefined when it takes longer. */
  answerWithin(milliseconds: number): Answer | undefined;
  onAnswer(listener: (answer: Answer) => void): void;
  /** Called once, when the thread is gone. */
  onEnd(listener: (reason: CauceError) => void): void;
  close(): Promise<void>;
}

/** Starts the thread and waits until it has opened the store. Rejects with what kept it from that. */
export async function startWriter(data: Omit<WriterData, "port" | "answered">): Promise<WriterWorker> {
  const { port1: port, port2 } = new MessageChannel();
  const answered = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  const worker = new Worker(new URL(import.meta.resolve("#sqliteWriter")), {
    workerData: { ...data, port: port2, answered } satisfies WriterData,
    transferList: [port2],
    // Batches come and go; a larger young generation would only keep more of their garbage.
    resourceLimits: { maxYoungGenerationSizeMb: 8 },
    name: `cauce ${data.workflow}`,
    execArgv: conditionsOf(process.execArgv),
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

  let posted = 0;

  return {
    nextDelayed: opened.nextDelayed,
    post(batch) {
      port.postMessage(batch satisfies Request);
      posted = (posted + 1) | 0;
    },
    answerWithin(milliseconds) {
      // The writer counts an answer just after it has sent it, so the first count may still be of the one before.
      for (let seen = Atomics.load(answered, 0); seen !== posted; seen = Atomics.load(answered, 0))
        if (Atomics.wait(answered, 0, seen, milliseconds) === "timed-out") break;
      return receiveMessageOnPort(port)?.message as Answer | undefined;
    },
    onAnswer: (listener) => port.on("message", listener),
    onEnd: (listener) => void exited.then(() => listener(reason)),
    close() {
      port.postMessage("close" satisfies Request);
      return exited;
    },
  };
}

/** Of Node's own flags those that say where modules are found; others may be for a main program alone, as `--eval` is. */
function conditionsOf(flags: readonly string[]): string[] {
  return flags.filter(
    (flag, index) => /^(?:-C|--conditions)(?:=|$)/.test(flag) || /^(?:-C|--conditions)$/.test(flags[index - 1] ?? ""),
  );
}
