import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { type TestContext, test } from "node:test";
import type { ServerBindings } from "../../src/http/body.ts";
import { listen } from "../../src/node/server.ts";

const host = "127.0.0.1";
const minute = 60_000;

/** Starts a server whose requests the test answers, and whose timers stand still. */
async function serving(t: TestContext) {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const arrived = Promise.withResolvers<{ request: Request; server: Required<ServerBindings> }>();
  const answer = Promise.withResolvers<Response>();
  const server = await listen(
    (request, bindings) => {
      arrived.resolve({ request, server: bindings });
      return answer.promise;
    },
    { host, port: 0 },
  );
  const socket = connect(server.port, host);
  socket.setEncoding("utf8");
  t.after(async () => {
    socket.destroy();
    const closed = server.close();
    server.abort();
    await closed;
  });
  return { socket, arrived: arrived.promise, answer, tick: () => t.mock.timers.tick(minute) };
}

const head = (length: string) => `POST / HTTP/1.1\r\nHost: a\r\n${length}\r\n\r\n`;

test("a body that does not come in time is answered with 408, and the connection closed", async (t) => {
  const { socket, arrived, tick } = await serving(t);
  socket.write(`${head("Content-Length: 10")}{`);
  const { server } = await arrived;
  void server.readBody(100).catch(() => {});
  tick();
  let text = "";
  for await (const chunk of socket) text += chunk;
  assert.match(text, /^HTTP\/1\.1 408 /);
  assert.match(text, /"code":"request_timed_out"/);
});

test("a body that came in time sets no limit to its answer", async (t) => {
  const { socket, arrived, answer, tick } = await serving(t);
  socket.write(`${head("Content-Length: 2")}{}`);
  const { server } = await arrived;
  assert.equal(Buffer.from((await server.readBody(100)) ?? []).toString(), "{}");
  tick();
  tick();
  answer.resolve(new Response("late"));
  const [text] = await once(socket, "data");
  assert.match(text, /^HTTP\/1\.1 200 [\s\S]*late/);
});

test("a body without a time limit is cut off only when it stalls", async (t) => {
  const { socket, arrived, tick } = await serving(t);
  socket.write(head("Transfer-Encoding: chunked"));
  const { request, server } = await arrived;
  server.disableTimeout();
  const reader = (request.body as ReadableStream<Uint8Array>).getReader();
  for (let n = 0; n < 5; n++) {
    socket.write("1\r\nx\r\n");
    assert.equal((await reader.read()).value?.length, 1);
    // This is one check short of the limit, which starts again with each piece.
    t.mock.timers.tick(minute - 5_000);
  }
  const closed = once(socket, "close");
  tick();
  tick();
  await closed;
  await assert.rejects(reader.read());
});
