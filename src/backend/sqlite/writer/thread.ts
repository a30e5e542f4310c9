/** The writer's thread: one batch in, one transaction, one result out, in order. */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import type { OpeningMessage, Request, WriterData } from "../batch/protocol.ts";
import { storeFault } from "../storeFiles.ts";
import { openWriter } from "./writer.ts";

if (parentPort !== null) run(parentPort, workerData as WriterData);

function run(parent: MessagePort, data: WriterData): void {
  const { port, answered } = data;
  try {
    const { apply, close, state } = openWriter({
      ...data,
      onStep: (step) => parent.postMessage({ step } satisfies OpeningMessage),
    });
    port.on("message", (request: Request) => {
      if (request === "close") {
        port.close();
        close();
        return;
      }
      port.postMessage(apply(request));
      Atomics.add(answered, 0, 1);
      Atomics.notify(answered, 0);
    });
    parent.postMessage(state satisfies OpeningMessage);
  } catch (error) {
    const { code, message } = storeFault(error, data.file);
    parent.postMessage({ fault: { code, message } } satisfies OpeningMessage);
  }
}
