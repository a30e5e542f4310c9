import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { resolve } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { promisify } from "node:util";
import { isLoopback } from "../../src/cli/start.ts";
import { sampleOrder, waitFor } from "../examples/support.ts";
import { cauce, heldApp, ordersApp, post, temporaryDirectory } from "./support.ts";

/** Serves a URL that answers only when the test says so. */
async function gate(t: TestContext) {
  const server = createServer();
  const asked = once(server, "request") as Promise<[unknown, ServerResponse]>;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    asked,
    open: async () => (await asked)[1].end("go on"),
  };
}

/** Resolves once no server listens at the address. */
async function refused(address: string): Promise<void> {
  for (;;) {
    try {
      await (await fetch(`${address}/healthz`)).arrayBuffer();
    } catch {
      return;
    }
  }
}

describe("cauce start", { concurrency: 4 }, () => {
  it("serves an app whose orders are handled, and drains and exits with 0 at SIGTERM", async (t) => {
    const data = temporaryDirectory(t);
    const server = cauce(t, ["start", ordersApp, "--port", "0", "--data", data]);
    const address = await server.address();
    const placed = await post(`${address}/orders`, sampleOrder());
    assert.equal(placed.status, 202);
    const location = new URL(String(placed.headers.get("location")), address);
    const order = await waitFor(location, ({ status }) => status === "shipped");
    assert.deepEqual(
      order.history.map(({ status }) => status),
      ["received", "approved", "paid", "shipped"],
    );
    assert.equal((await fetch(`${address}/readyz`)).status, 200);
    server.kill("SIGTERM");
    const { code, stdout, stderr } = await server.ended;
    assert.equal(code, 0);
    assert.match(stdout, /Draining[\s\S]*Drained\.\n$/);
    // The log has a line for each attempt, with the order's status and none of its data.
    const lines = stderr.split("\n").slice(0, -1);
    assert.deepEqual(
      lines
        .map((line) => JSON.parse(line))
        .map(({ orderId, status, attempt, outcome, to }) => [orderId, status, attempt, outcome, to]),
      [
        [order.id, "received", 1, "moved", "approved"],
        [order.id, "approved", 1, "moved", "paid"],
        [order.id, "paid", 1, "moved", "shipped"],
      ],
    );
    assert.doesNotMatch(stderr, /customer/);
  });

  it("prints its address, the data's directory, and a curl that works", async (t) => {
    const data = temporaryDirectory(t);
    const server = cauce(t, ["start", ordersApp, "--port", "0", "--data", data, "--delivery", "fifo"]);
    const address = await server.address();
    await server.wrote(/Ctrl\+C/);
    await server.wrote(new RegExp(`orders +${address}/orders\n`));
    await server.wrote(/delivery +fifo\n/);
    await server.wrote(new RegExp(`data +${resolve(data)}\n`));
    const [command] = await server.wrote(/curl -i .+/);
    const printed = await promisify(execFile)("sh", ["-c", command]).catch((error: { code?: number }) => {
      if (error.code === 127) return t.diagnostic("curl is not installed: the printed line was not run");
      throw error;
    });
    if (printed) assert.match(printed.stdout, /^HTTP\/1\.1 202 /);
    server.kill("SIGINT");
    assert.equal((await server.ended).code, 0);
  });

  it("takes the delivery that the store has where none is named", async (t) => {
    const data = temporaryDirectory(t);
    for (const [flags, delivery] of [
      [["--delivery", "fifo"], "fifo"],
      [[], "fifo"],
      [["--delivery", "standard"], "standard"],
      [[], "standard"],
    ] as const) {
      const server = cauce(t, ["start", ordersApp, "--port", "0", "--data", data, ...flags]);
      await server.wrote(new RegExp(`delivery +${delivery}\n`));
      server.kill("SIGTERM");
      assert.equal((await server.ended).code, 0);
    }
  });

  it("lets a running handler finish at SIGTERM, and takes no new requests meanwhile", async (t) => {
    const data = temporaryDirectory(t);
    const held = await gate(t);
    const server = cauce(t, ["start", heldApp, "--port", "0", "--data", data]);
    const address = await server.address();
    const placed = await post(`${address}/held`, { url: held.url });
    const { id } = (await placed.json()) as { id: string };
    await held.asked;
    server.kill("SIGTERM");
    await server.wrote(/Draining/);
    await refused(address);
    await held.open();
    const { code, stdout } = await server.ended;
    assert.equal(code, 0);
    assert.match(stdout, /Drained\.\n$/);

    const again = cauce(t, ["start", heldApp, "--port", "0", "--data", data]);
    const response = await fetch(`${await again.address()}/held/${id}`);
    const order = (await response.json()) as { status: string; history: { attempts: number }[] };
    assert.equal(order.status, "done");
    assert.equal(order.history[0]?.attempts, 1);
  });

  for (const [signal, code] of [
    ["SIGTERM", 143],
    ["SIGINT", 130],
  ] as const) {
    it(`exits at once with ${code} on a second signal, ${signal}`, async (t) => {
      const held = await gate(t);
      const server = cauce(t, ["start", heldApp, "--port", "0", "--data", temporaryDirectory(t)]);
      await post(`${await server.address()}/held`, { url: held.url });
      await held.asked;
      server.kill("SIGTERM");
      await server.wrote(/Draining/);
      // A signal within 50 ms of the first counts as the same.
      const again = setInterval(() => server.kill(signal), 20);
      assert.equal((await server.ended).code, code);
      clearInterval(again);
    });
  }

  it("takes two signals at once for one, since npm repeats Ctrl+C", async (t) => {
    const held = await gate(t);
    const server = cauce(t, ["start", heldApp, "--port", "0", "--data", temporaryDirectory(t)]);
    await post(`${await server.address()}/held`, { url: held.url });
    await held.asked;
    // The stopped server gets both signals at once when it continues. Two equal signals would arrive as one.
    server.kill("SIGSTOP");
    server.kill("SIGINT");
    server.kill("SIGTERM");
    server.kill("SIGCONT");
    await server.wrote(/Draining/);
    await held.open();
    assert.equal((await server.ended).code, 0);
  });

  it("takes settings from variables where no flag gives them, and serves under a base path", async (t) => {
    const server = cauce(t, ["start", ordersApp, "--base-path", "/shop", "--body-bytes-max", "200"], {
      env: { CAUCE_PORT: "0", CAUCE_DATA: temporaryDirectory(t), CAUCE_BASE_PATH: "/other", CAUCE_DELIVERY: "fifo" },
    });
    const address = await server.address();
    assert.match(address, /\/shop$/);
    await server.wrote(/delivery +fifo/);
    assert.equal((await post(`${address}/orders`, sampleOrder())).status, 202);
    assert.equal((await post(`${address}/orders`, { ...sampleOrder(), note: "n".repeat(300) })).status, 413);
  });

  it("asks its callers for a key where it was given keys", async (t) => {
    const made = await cauce(t, ["keys", "create", "--role", "intake"]).ended;
    const [, key] = /^key +(\S+)$/m.exec(made.stdout) ?? [];
    const [, line] = /^line +(.+)$/m.exec(made.stdout) ?? [];
    const server = cauce(t, ["start", ordersApp, "--port", "0", "--data", temporaryDirectory(t)], {
      env: { CAUCE_KEYS: String(line), CAUCE_HOST: "0.0.0.0" },
    });
    const url = `${await server.address()}/orders`;
    assert.equal((await post(url, sampleOrder())).status, 401);
    assert.equal((await post(url, sampleOrder(), { authorization: `Bearer ${key}` })).status, 202);
    assert.equal((await fetch(url, { headers: { authorization: `Bearer ${key}` } })).status, 403);
  });
});

describe("isLoopback", () => {
  it("is true of hosts that only this machine reaches", () => {
    for (const host of ["127.0.0.1", "127.8.9.10", "::1", "localhost"]) assert.equal(isLoopback(host), true, host);
    for (const host of ["0.0.0.0", "::", "192.168.0.1", "128.0.0.1", "::2", "example.com", "127.0.0.1.example.com"]) {
      assert.equal(isLoopback(host), false, host);
    }
  });
});
