import assert from "node:assert/strict";
import { once } from "node:events";
import type { Socket } from "node:net";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { assertFair, fairText, hostileText, lineBytes, serving } from "./hostile.ts";

/** Reads everything that comes until the connection is closed. */
async function textOf(socket: Socket): Promise<string> {
  let text = "";
  socket.setEncoding("latin1");
  socket.on("data", (chunk: string) => {
    text += chunk;
  });
  // `once` would reject where the server hangs up with data still under way.
  if (!socket.closed) await new Promise((resolve) => socket.once("close", resolve));
  return text;
}

/** Checks the whole answers in a server's text, and skips cut-off ones. */
function assertAnswersFair(text: string): void {
  for (const answer of text.split(/(?=HTTP\/1\.1 \d{3} )/)) {
    const [head = "", body = ""] = answer.split("\r\n\r\n");
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1]);
    if (answer === "" || status === 100) continue;
    const type = /^content-type: (.*)$/im.exec(head)?.[1] ?? "";
    const length = Number(/^content-length: (\d+)$/im.exec(head)?.[1]);
    if (status >= 400) assert.ok(length > 0, answer);
    // Each character is a byte, as lengths are in bytes. The text itself is UTF-8.
    const read = Buffer.from(body, "latin1").toString();
    if (body.length >= length || status < 200 || status >= 500) assertFair(status, type, read);
  }
}

const post = (path: string, headers: string, body: string) =>
  `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n${headers}\r\n\r\n${body}`;
const order = '{"customerId":"c-1"}';
const batch = `{"data":${order}}\n{"data":${order}}\n`;

/** Reads the ids of every order, page by page. */
async function listed(origin: string): Promise<string[]> {
  const ids: string[] = [];
  for (let cursor = ""; ; ) {
    const page = await fetch(`${origin}/orders?limit=1000${cursor}`);
    const { items, nextCursor } = (await page.json()) as { items: { id: string }[]; nextCursor: string | null };
    ids.push(...items.map(({ id }) => id));
    if (nextCursor === null) return ids;
    cursor = `&cursor=${nextCursor}`;
  }
}

test("a connection is answered or closed, whatever bytes come over it", async (t) => {
  const { origin, open, assertServes } = await serving(t);
  const templates = fc.constantFrom(
    post("/orders", `Content-Length: ${order.length}`, order),
    post("/orders", "Transfer-Encoding: chunked", `14\r\n${order}\r\n0\r\n\r\n`),
    post("/orders/batch", `Content-Length: ${batch.length}`, batch).replace("json", "x-ndjson"),
    "GET /orders?limit=2 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer x\r\n\r\n",
    "GET /events HTTP/1.1\r\nHost: a\r\nLast-Event-ID: s-1\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\nExpect: x\r\n\r\n",
  );
  const changed = fc
    .tuple(templates, fc.nat(160), fc.nat(8), hostileText, templates)
    .map(([one, at, cut, text, next]) => one.slice(0, at) + text + one.slice(at + cut) + next);
  const cut = fc.tuple(templates, fc.nat(160)).map(([one, at]) => one.slice(0, at));
  const manyHeaders = fc
    .tuple(fc.constantFrom(1_000, 2_500, 20_000), fc.nat(10))
    .map(
      ([count, length]) => `GET /healthz HTTP/1.1\r\nHost: a\r\n${`h: ${"x".repeat(length)}\r\n`.repeat(count)}\r\n`,
    );
  const sent = fc.oneof(
    { weight: 4, arbitrary: changed.map((text) => Buffer.from(text, "latin1")) },
    cut.map((text) => Buffer.from(text, "latin1")),
    manyHeaders.map((text) => Buffer.from(text, "latin1")),
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  );
  const answered = new Set<string>();
  await fc.assert(
    fc.asyncProperty(sent, fc.nat(200), async (bytes, at) => {
      const socket = open();
      const text = textOf(socket);
      socket.write(bytes.subarray(0, at));
      // The client sends no more, so the server may close as soon as it has answered.
      socket.end(bytes.subarray(at));
      const received = await text;
      assertAnswersFair(received);
      for (const [, id = ""] of received.matchAll(/^Location: \/orders\/(\S+)/gim)) answered.add(id);
    }),
    { numRuns: 200 },
  );
  const ids = new Set(await listed(origin));
  for (const id of answered) assert.ok(ids.has(id));
  await assertServes();
});

test("a body that is shorter or longer than its length stores an order at most once", async (t) => {
  const { origin, open } = await serving(t);
  const answered: string[] = [];
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: -order.length, max: 20 }), async (more) => {
      const socket = open();
      const text = textOf(socket);
      socket.write(post("/orders", `Connection: close\r\nContent-Length: ${order.length + more}`, order));
      // Without the end the server would wait a minute for the body.
      if (more > 0) socket.end();
      const received = await text;
      assertAnswersFair(received);
      const status = received.slice(9, 12);
      assert.equal(status === "202", more === 0, received);
      if (more === 0) answered.push(/^location: \/orders\/(\S+)/im.exec(received)?.[1] ?? "");
    }),
    { numRuns: 60, examples: [[0], [0], [1], [-1]] },
  );
  assert.deepEqual((await listed(origin)).sort(), answered.sort());
});

test("a batch that is sent in pieces is stored as far as it was answered", async (t) => {
  const { origin, open } = await serving(t);
  const answered: string[] = [];
  await fc.assert(
    fc.asyncProperty(
      fc.array(lineBytes, { minLength: 1, maxLength: 8 }),
      fc.array(fc.nat(1_000), { maxLength: 6 }),
      async (lines, cuts) => {
        const body = Buffer.concat(lines.flatMap((line) => [line, Buffer.from("\n")]));
        const socket = open().setNoDelay();
        const text = textOf(socket);
        socket.write(
          "POST /orders/batch HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-ndjson\r\n" +
            `Connection: close\r\nContent-Length: ${body.length}\r\n\r\n`,
        );
        const offsets = cuts.map((cut) => Math.floor((cut / 1_000) * body.length)).sort((a, b) => a - b);
        let from = 0;
        for (const to of [...offsets, body.length]) {
          const part = body.subarray(from, to);
          from = to;
          if (part.length > 0) await new Promise<void>((resolve) => socket.write(part, () => resolve()));
        }
        const answers = [...(await text).matchAll(/^\{"line":\d+,.*$/gm)].map(
          ([line]) => JSON.parse(line) as { line: number; status: number; order?: { id: string } },
        );
        const blank = (n: number) => lines[n - 1]?.toString().trim() === "";
        assert.deepEqual(
          answers.map(({ line }) => line).filter((n) => !blank(n)),
          lines.map((_, n) => n + 1).filter((n) => !blank(n)),
        );
        for (const { status, order } of answers) {
          assert.ok(status < 500);
          if (status === 202) answered.push(order?.id ?? "");
        }
      },
    ),
    { numRuns: 60 },
  );
  assert.ok(answered.length > 0);
  assert.deepEqual((await listed(origin)).sort(), answered.sort());
});

test("300 bodies that never end are answered with 408 and closed", async (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const { origin, open, assertServes } = await serving(t);
  const heads = ["Content-Length: 20", "Transfer-Encoding: chunked"];
  const slow = await Promise.all(
    Array.from({ length: 300 }, async (_, n) => {
      const socket = open();
      socket.write(post("/orders", `Expect: 100-continue\r\n${heads[n % 2]}`, ""));
      // The server asks for the body (100 Continue) when it reads it.
      await once(socket, "data");
      socket.write(n % 2 === 0 ? "{" : "1\r\n{\r\n");
      return textOf(socket);
    }).map(async (text) => ({ text })),
  );
  await assertServes();
  t.mock.timers.tick(60_000);
  for (const text of await Promise.all(slow.map(({ text }) => text)))
    assert.match(text, /^HTTP\/1\.1 408 .*"request_timed_out"/s);
  assert.deepEqual(await listed(origin), []);
});

test("endless bodies are answered with 413 and closed, and an endless line is not kept in memory", async (t) => {
  const { origin, open, assertServes } = await serving(t);
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const heldBytes = () => {
    // A thread of V8's frees what a collection found dead, some time later. The next collection waits for that thread.
    for (let n = 0; n < 2; n++) collect();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  const chunk = `10000\r\n${" ".repeat(65_536)}\r\n`;
  const before = heldBytes();
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      const socket = open();
      const text = textOf(socket);
      const pump = () => {
        while (socket.writable && socket.write(chunk));
      };
      socket.on("drain", pump);
      socket.write(post("/orders", "Transfer-Encoding: chunked", ""));
      pump();
      assertAnswersFair(await text);
      assert.match(await text, /^HTTP\/1\.1 413 .*"body_too_large"/s);
    }),
  );
  const socket = open();
  const text = textOf(socket);
  socket.write(
    post("/orders/batch", "Connection: close\r\nTransfer-Encoding: chunked", "").replace("json", "x-ndjson"),
  );
  for (let n = 0; n < 600; n++) if (!socket.write(chunk)) await once(socket, "drain");
  const held = heldBytes() - before;
  assert.ok(held < 16_000_000, `${held} bytes are held of a line of 39 MB`);
  const line = `\n{"data":${order}}\n`;
  socket.write(`${line.length.toString(16)}\r\n${line}\r\n0\r\n\r\n`);
  const answers = [...(await text).matchAll(/^\{"line":(\d),"status":(\d+)/gm)].map(([, line, status]) => [
    line,
    status,
  ]);
  assert.deepEqual(answers, [
    ["1", "413"],
    ["2", "202"],
  ]);
  assert.equal((await listed(origin)).length, 1);
  await assertServes();
});

test("2,000 idle connections and 200 half requests do not keep a client from placing an order", async (t) => {
  // The limit is long enough to open every connection on a busy machine before the first is cut off.
  const { origin, open, close } = await serving(t, { headersSeconds: 600 });
  const sockets = Array.from({ length: 2_200 }, open);
  await Promise.all(sockets.map((socket) => once(socket, "connect")));
  for (const [n, socket] of sockets.slice(0, 200).entries()) {
    socket.write("POST /orders HTTP/1.1\r\nHost: a\r\nContent-Le".slice(0, 1 + (n % 46)));
  }
  const response = await fetch(`${origin}/orders`, {
    method: "POST",
    body: order,
    headers: { "content-type": "application/json" },
  });
  assert.equal(response.status, 202);
  const { id } = JSON.parse(await fairText(response)) as { id: string };
  assert.deepEqual(await listed(origin), [id]);
  assert.ok(sockets.every((socket) => !socket.closed));
  await close();
});
