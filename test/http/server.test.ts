import assert from "node:assert/strict";
import { once } from "node:events";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { type TestContext, test } from "node:test";
import type { Order } from "../../src/core/order.ts";
import { type Fetch, listen } from "../../src/node/server.ts";
import { jsonOf, problemOf, serving } from "./serving.ts";

/** Serves the app by Node's server on a free port of loopback. Closes it when the test ends. */
async function listening(t: TestContext) {
  const { app, lines, request } = await serving(t);
  /** The app's answers, in the order of the requests. */
  const answers: Promise<Response>[] = [];
  const arrived = Promise.withResolvers<void>();
  const fetch: Fetch = (request, env) => {
    arrived.resolve();
    const answer = Promise.resolve(app.fetch(request, env));
    answers.push(answer);
    return answer;
  };
  const server = await listen(fetch, { port: 0, host: "127.0.0.1" });
  t.after(async () => {
    const closed = server.close();
    server.abort();
    await closed;
  });
  const { port } = server;
  return { port, arrived: arrived.promise, origin: `http://127.0.0.1:${port}`, lines, answers, request };
}

/** Sends an endless body, as fast as the server reads, until the server answers. */
async function sendEndlessly(port: number, headers: Record<string, string>) {
  const sending = httpRequest({ port, host: "127.0.0.1", method: "POST", path: "/orders", headers });
  const chunk = Buffer.alloc(65_536, " ");
  let bytes = 0;
  let answered = false;
  const pump = () => {
    while (!answered) {
      bytes += chunk.length;
      if (!sending.write(chunk)) return;
    }
  };
  sending.on("drain", pump);
  // The server hangs up on a client that goes on sending after the answer.
  sending.on("error", () => {});
  const response = once(sending, "response");
  pump();
  const [message] = (await response) as [IncomingMessage];
  answered = true;
  const chunks: Buffer[] = [];
  for await (const part of message) chunks.push(part as Buffer);
  const closed = once(sending, "close");
  sending.destroy();
  await closed;
  const answer = new Response(Buffer.concat(chunks), {
    status: message.statusCode ?? 0,
    headers: { "content-type": message.headers["content-type"] ?? "" },
  });
  return { answer, bytes };
}

test("an order is placed and read over the wire", async (t) => {
  const { origin } = await listening(t);
  const response = await fetch(`${origin}/orders`, {
    method: "POST",
    body: JSON.stringify({ customerId: "ñ-1" }),
    headers: { "content-type": "application/json", "x-request-id": "r-1" },
  });
  const location = response.headers.get("location");
  const order = await jsonOf<Order>(response, 202);
  assert.equal(order.history[0]?.by.requestId, "r-1");
  assert.deepEqual(order.data, { customerId: "ñ-1" });
  assert.deepEqual(await jsonOf(await fetch(`${origin}${location}`)), order);
  assert.equal((await fetch(`${origin}/healthz`, { method: "HEAD" })).status, 200);
});

test("a chunked body is read, and an optional body may be left out", async (t) => {
  const { origin } = await listening(t);
  const body = new ReadableStream({
    start(controller) {
      for (const part of ['{"custo', 'merId":"c', '-1"}']) controller.enqueue(Buffer.from(part));
      controller.close();
    },
  });
  const placed = await fetch(`${origin}/orders`, { method: "POST", body, duplex: "half" });
  const { id } = await jsonOf<Order>(placed, 202);
  await problemOf(await fetch(`${origin}/orders/${id}/retry`, { method: "POST" }), 409, "not_failed");
  await jsonOf(await fetch(`${origin}/orders/retry`, { method: "POST" }));
  await problemOf(await fetch(`${origin}/orders`, { method: "POST" }), 400, "invalid_json");
});

test("an endless chunked body is answered at the limit", async (t) => {
  const { port, lines } = await listening(t);
  const { answer } = await sendEndlessly(port, { "transfer-encoding": "chunked" });
  await problemOf(answer, 413, "body_too_large");
  assert.deepEqual(lines, []);
});

test("a body whose length is past the limit is answered before it arrives", async (t) => {
  const { port } = await listening(t);
  const { answer } = await sendEndlessly(port, { "content-length": String(2 ** 40) });
  await problemOf(answer, 413, "body_too_large");
});

for (const [name, head] of [
  ["a length", "Content-Length: 100"],
  ["chunks", "Transfer-Encoding: chunked"],
] as const) {
  test(`a client that hangs up within a body of ${name} stores nothing and is no error of the server`, async (t) => {
    const { port, arrived, answers, lines, request } = await listening(t);
    const socket = connect(port, "127.0.0.1");
    const part = '{"customerId":"c-1"}';
    const sent = head.startsWith("Transfer") ? `${part.length.toString(16)}\r\n${part}\r\n` : part;
    socket.write(`POST /orders HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n${head}\r\n\r\n${sent}`);
    await arrived;
    socket.destroy();
    const [answer] = await Promise.all(answers);
    await problemOf(answer as Response, 400, "invalid_request");
    assert.deepEqual(lines, []);
    assert.deepEqual(await jsonOf(await request("GET", "/orders")), { items: [], nextCursor: null });
  });
}

test("bytes after the length of a body are the next request", async (t) => {
  const { port, request } = await listening(t);
  const socket = connect(port, "127.0.0.1");
  const body = '{"customerId":"c-1"}';
  const head = `POST /orders HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${body.length}`;
  socket.write(`${head}\r\n\r\n${body}GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
  let text = "";
  for await (const chunk of socket) text += chunk;
  assert.deepEqual(text.match(/HTTP\/1\.1 \d+/g), ["HTTP/1.1 202", "HTTP/1.1 200"]);
  const { items } = await jsonOf<{ items: Order[] }>(await request("GET", "/orders"));
  assert.deepEqual(
    items.map(({ data }) => data),
    [{ customerId: "c-1" }],
  );
});
