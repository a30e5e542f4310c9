import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import { listen } from "../../src/node/server.ts";

const host = "127.0.0.1";

/** Sends bytes to a server, and reads everything until it closes the connection. */
async function answerTo(sent: string): Promise<string> {
  // The app waits for the body, as every route with a body does.
  const server = await listen(async (request) => new Response(await request.text()), { host, port: 0 });
  const socket = connect(server.port, host);
  try {
    socket.setEncoding("utf8");
    socket.write(sent);
    let text = "";
    for await (const chunk of socket) text += chunk;
    return text;
  } finally {
    socket.destroy();
    server.abort();
    await server.close();
  }
}

const problems = [
  ["a path longer than all headers may be", `GET /${"a".repeat(20_000)} HTTP/1.1\r\n`, 431, "headers_too_large"],
  [
    "headers longer than all may be",
    `GET / HTTP/1.1\r\nHost: a\r\nX: ${"a".repeat(20_000)}\r\n`,
    431,
    "headers_too_large",
  ],
  ["a request without a Host", "GET / HTTP/1.1\r\n\r\n", 400, "invalid_request"],
  ["a Host that is none", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "invalid_request"],
  ["a path that is none", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 400, "invalid_request"],
  ["an address that is none", "GET http://a:b:c/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, "invalid_request"],
  ["a request for a tunnel", "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "invalid_request"],
  ["a text that is no HTTP", "hello\r\n\r\n", 400, "invalid_request"],
  ["a length that is no number", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400, "invalid_request"],
  [
    "two lengths of a body",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    400,
    "invalid_request",
  ],
  [
    "a body whose chunks have no size",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nnone\r\n",
    400,
    "invalid_request",
  ],
] as const;
for (const [what, sent, status, code] of problems) {
  test(`${what} gets ${status} as a problem document`, async () => {
    const text = await answerTo(sent);
    const [head = "", body = ""] = text.split("\r\n\r\n");
    assert.match(head, new RegExp(`^HTTP/1\\.1 ${status} `));
    assert.match(head, /^content-type: application\/problem\+json$/im);
    assert.match(head, /^connection: close$/im);
    assert.match(head, new RegExp(`^content-length: ${Buffer.byteLength(body)}$`, "im"));
    const problem = JSON.parse(body) as { status: number; code: string };
    assert.deepEqual([problem.status, problem.code], [status, code]);
  });
}

test("an unknown Expect header is ignored", async () => {
  const text = await answerTo("GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\nConnection: close\r\n\r\n");
  assert.match(text, /^HTTP\/1\.1 200 /);
});

test("an old request without a Host is answered", async () => {
  const text = await answerTo("GET /healthz HTTP/1.0\r\n\r\n");
  assert.match(text, /^HTTP\/1\.1 200 /);
});
