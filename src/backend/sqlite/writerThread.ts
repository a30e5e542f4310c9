/**
 * The writer's thread. Whatever the clients have sent by the time that a transaction begins goes into it together; each
 * is answered once it is on the disk.
 */
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { storeFault } from "./faults.ts";
import type { Batch, Opened, Reply, Request, WriterData } from "./protocol.ts";
import { openWriter, type Writer } from "./writer.ts";

if (parentPort !== null) run(parentPort, workerData as WriterData);

function run(owner: MessagePort, data: WriterData): void {
  const writer = open(owner, data);
  if (writer === undefined) return;
  const clients: MessagePort[] = [];

  const serve = (client: MessagePort) => {
    clients.push(client);
    client.on("message", (request: Request) => take(client, request));
    client.once("close", () => clients.splice(clients.indexOf(client), 1));
  };
  const take = (client: MessagePort, request: Request): void => {
    if (request === "close") {
      for (const each of clients) each.close();
      writer.close();
    } else if ("connect" in request) serve(request.connect);
    else write(client, request);
  };

  const write = (first: MessagePort, batch: Batch): void => {
    const from = [first];
    const batches = [batch];
    const later: (() => void)[] = [];
    for (const client of clients) {
      if (client === first) continue;
      const request = receiveMessageOnPort(client)?.message as Request | undefined;
      if (request === undefined) continue;
      if (request === "close" || "connect" in request) later.push(() => take(client, request));
      else {
        from.push(client);
        batches.push(request);
      }
    }
    const { answers, out } = writer.apply(
      batches.map((each, index) => ({ batch: each, owner: from[index] === owner })),
    );
    for (const [index, client] of from.entries()) {
      client.postMessage({ answer: answers[index], out: client === owner ? out : undefined } satisfies Reply);
    }
    if (out !== undefined && !from.includes(owner)) owner.postMessage({ out } satisfies Reply);
    for (const each of later) each();
  };

  serve(owner);
  owner.postMessage({ opened: true, nextDelayed: writer.nextDelayed } satisfies Opened);
}

function open(owner: MessagePort, data: WriterData): Writer | undefined {
  try {
    return openWriter(data);
  } catch (error) {
    const { code, message } = storeFault(error, data.file);
    owner.postMessage({ opened: false, fault: { code, message } } satisfies Opened);
    return undefined;
  }
}
