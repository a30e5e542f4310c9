/** The writer's thread: one batch in, one transaction, one answer out, in order. */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import type { Opened, Request, WriterData } from "../batch/protocol.ts";
import { storeFault } from "../storeFiles.ts";
import { openWriter, type Writer } from "./writer.ts";

if (parentPort !== null) run(parentPort, workerData as WriterData);

function run(parent: MessagePort, data: WriterData): void {
  const { port, answered } = data;
  const writer = open(parent, data);
  if (writer === undefined) return;
  port.on("message", (request: Request) => {
    if (request === "close") {
      port.close();
      writer.close();
      return;
    }
    port.postMessage(writer.apply(request));
    Atomics.add(answered, 0, 1);
    Atomics.notify(answered, 0);
  });
  parent.postMessage({ opened: true, nextDelayed: writer.nextDelayed } satisfies Opened);
}

function open(port: MessagePort, data: WriterData): Writer | undefined {
  try {
    return openWriter(data);
  } catch (error) {
    const { code, message } = storeFault(error, data.file);
    port.postMessage({ opened: false, fault: { code, message } } satisfies Opened);
    return undefined;
  }
}
