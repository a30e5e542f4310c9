import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, it, type TestContext } from "node:test";
import { createSender } from "../../../src/cli/import/sender.ts";
import { atEnd } from "../support.ts";

async function sending(t: TestContext, answer: RequestListener, idleSeconds = 60) {
  const server = createServer(answer).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const sender = createSender({ url: `http://127.0.0.1:${port}/w/batch`, key: undefined }, idleSeconds);
  atEnd(t, () => {
    sender.close();
    server.closeAllConnections();
    server.close();
  });
  return async (bodies: readonly string[], stop = new AbortController().signal) => {
    const statuses: number[] = [];
    const broken = await sender.send(bodies, stop, (first, results) => {
      for (const [at, { status }] of results.entries()) statuses[first + at] = status;
    });
    return { broken, statuses };
  };
}

const lines = { "content-type": "application/x-ndjson" };

describe("a sender", () => {
  it("does not wait for ever for a server that is silent", async (t) => {
    const send = await sending(t, (incoming) => incoming.resume(), 0.05);
    assert.deepEqual(await send(["1"]), { broken: "the server was silent for 0.05 s", statuses: [] });
  });

  it("does not wait for ever for a server that does not read", async (t) => {
    const send = await sending(t, () => {}, 0.05);
    const { broken } = await send(Array.from({ length: 1_000 }, () => "x".repeat(20_000)));
    assert.equal(broken, "the server was silent for 0.05 s");
  });

  it("keeps the whole answers that came before the connection broke", async (t) => {
    const send = await sending(t, (incoming, response) => {
      incoming.resume();
      response.writeHead(200, lines);
      response.write('{"line":1,"status":202,"order":{}}\n{"status":409,"line":2}\n{"line":3,"sta', () =>
        response.socket?.destroy(),
      );
    });
    const { broken, statuses } = await send(["1", "2", "3"]);
    assert.ok(broken);
    assert.deepEqual(statuses, [202, 409]);
  });

  it("reuses its connection, and takes answers that come piece by piece", async (t) => {
    const sockets = new Set<unknown>();
    const send = await sending(t, async (incoming, response) => {
      sockets.add(incoming.socket);
      response.writeHead(200, lines);
      for await (const chunk of incoming) {
        for (const letter of String(chunk).replace(/.+/g, '{"line":1,"status":200,"order":{}}')) response.write(letter);
      }
      response.end();
    });
    for (let turn = 0; turn < 3; turn++) {
      assert.deepEqual(await send(["1", "2"]), { broken: undefined, statuses: [200, 200] });
    }
    assert.equal(sockets.size, 1);
  });

  it("throws for an answer whose lines are no JSON", async (t) => {
    const send = await sending(t, (incoming, response) => {
      incoming.resume();
      response.writeHead(200, lines).end("<html>\n");
    });
    await assert.rejects(send(["1"]), { code: "unexpected_answer", message: /answered the line <html>, / });
  });
});
