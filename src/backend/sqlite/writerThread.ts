/** The writer's thread: one batch in, one transaction, one answer out, in order. */
import { parentPort, workerData } from "node:worker_threads";
import { storeFault } from "./faults.ts";
import type { Batch, Opened, WriterData } from "./protocol.ts";
import { openWriter, type Writer } from "./writer.ts";

const port = parentPort;
if (port !== null) {
  const data = workerData as WriterData;
  const open = (): Writer | undefined => {
    try {
      return openWriter(data);
    } catch (error) {
      const { code, message } = storeFault(error, data.file);
      port.postMessage({ opened: false, fault: { code, message } } satisfies Opened);
      return undefined;
    }
  };
  const writer = open();
  if (writer !== undefined) {
    port.on("message", (batch: Batch | "close") => {
      if (batch !== "close") {
        port.postMessage(writer.apply(batch));
        return;
      }
      writer.close();
      port.postMessage("closed");
      port.close();
    });
    const { lastSeq, nextDelayed } = writer;
    port.postMessage({ opened: true, lastSeq, nextDelayed } satisfies Opened);
  }
}
