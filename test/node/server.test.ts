import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { Agent, get, type IncomingMessage } from "node:http";
import { type AddressInfo, connect, createServer } from "node:net";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { listen, run } from "../../src/node/server.ts";

const host = "127.0.0.1";

/** Makes a Cauce that notes its calls. */
function recorded(fetch: (request: Request) => Response | Promise<Response> = () => new Response("ok")) {
  const calls: string[] = [];
  const note = (name: string) => async () => void calls.push(name);
  return { calls, fetch, start: note("start"), drain: note("drain"), close: note("close") };
}

/** Sends a request over a connection that is kept alive. Resolves to the answer once it is read. */
async function ask(agent: Agent, port: number, path = "/"): Promise<IncomingMessage> {
  const [response] = (await once(get({ host, port, path, agent }), "response")) as [IncomingMessage];
  response.resume();
  await once(response, "end");
  return response;
}

describe("run", () => {
  it("binds the port before it processes, and drains before it closes", async () => {
    const stop = Promise.withResolvers<void>();
    const ready = Promise.withResolvers<number>();
    const cauce = recorded();
    const running = run(cauce, {
      listen: () => listen(cauce.fetch, { host, port: 0 }),
      stopped: stop.promise,
      onReady: (port) => {
        cauce.calls.push("ready");
        ready.resolve(port);
      },
      onDrain: () => cauce.calls.push("draining"),
    });
    const port = await ready.promise;
    assert.equal(await (await fetch(`http://${host}:${port}`)).text(), "ok");
    stop.resolve();
    await running;
    assert.deepEqual(cauce.calls, ["start", "ready", "draining", "drain", "close"]);
    await assert.rejects(fetch(`http://${host}:${port}`));
  });

  // Time stands still, so the drain's own limit never ends a connection. Node ends idle ones after 65 s, so a drain
  // that waits for them fails by this test's limit of 60 s.
  it("answers requests in flight, and does not wait for idle connections", { timeout: 60_000 }, async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const stop = Promise.withResolvers<void>();
    const ready = Promise.withResolvers<number>();
    const begun = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<void>();
    const cauce = recorded(async (request) => {
      if (new URL(request.url).pathname === "/slow") {
        begun.resolve();
        await answer.promise;
      }
      return new Response("ok");
    });
    const draining = Promise.withResolvers<void>();
    const running = run(cauce, {
      listen: () => listen(cauce.fetch, { host, port: 0 }),
      stopped: stop.promise,
      onReady: ready.resolve,
      onDrain: draining.resolve,
    });
    const port = await ready.promise;
    const agent = new Agent({ keepAlive: true });
    t.after(() => agent.destroy());
    const idle = await ask(agent, port);
    assert.equal(idle.headers.connection, "keep-alive");
    const slow = ask(agent, port, "/slow");
    await begun.promise;
    stop.resolve();
    await draining.promise;
    answer.resolve();
    assert.equal((await slow).statusCode, 200);
    await running;
    assert.equal(cauce.calls.at(-1), "close");
  });

  it("closes the store when the port cannot be bound, and starts no processing", async (t) => {
    const taken = createServer().listen(0, host);
    await once(taken, "listening");
    t.after(() => taken.close());
    const { port } = taken.address() as AddressInfo;
    const cauce = recorded();
    const options = {
      listen: () => listen(cauce.fetch, { host, port }),
      stopped: new Promise(() => {}),
      onReady: () => assert.fail(),
      onDrain: () => assert.fail(),
    };
    await assert.rejects(run(cauce, options), { code: "port_in_use", message: new RegExp(`${port}.*${host}`) });
    assert.deepEqual(cauce.calls, ["drain", "close"]);
  });

  it("closes the port when processing cannot start", async () => {
    const cauce = { ...recorded(), start: () => Promise.reject(new Error("stranded")) };
    const options = {
      listen: () => listen(cauce.fetch, { host, port: 0 }),
      stopped: new Promise(() => {}),
      onReady: () => assert.fail(),
      onDrain: () => assert.fail(),
    };
    await assert.rejects(run(cauce, options), /stranded/);
    assert.deepEqual(cauce.calls, ["drain", "close"]);
  });
});

describe("listen", () => {
  it("rejects with address_unavailable for an address that is not this machine's", async () => {
    // No machine has an address of TEST-NET-1 (RFC 5737).
    const listening = listen(() => new Response(), { host: "192.0.2.1", port: 0 });
    await assert.rejects(listening, { code: "address_unavailable", message: /192\.0\.2\.1/ });
  });

  it("closes the connection of a client that never pauses, once it is closing itself", async () => {
    const asked = { "/first": Promise.withResolvers<void>(), "/second": Promise.withResolvers<void>() };
    const answer = Promise.withResolvers<void>();
    const listener = await listen(
      async (request) => {
        asked[new URL(request.url).pathname as keyof typeof asked].resolve();
        await answer.promise;
        return new Response("ok");
      },
      { host, port: 0 },
    );
    const client = connect(listener.port, host).setEncoding("utf8");
    let answers = "";
    client.on("data", (text: string) => (answers += text));
    const request = (path: string) => client.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    request("/first");
    await asked["/first"].promise;
    const closed = listener.close();
    request("/second");
    await asked["/second"].promise;
    answer.resolve();
    await once(client, "end");
    await closed;
    const connections = [...answers.matchAll(/^connection: (\S+)\r$/gim)].map(([, value]) => value);
    assert.deepEqual(connections, ["keep-alive", "close"]);
  });

  it("tells a client in an answer that its connection closes, though the request came before the closing", async (t) => {
    const asked = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<void>();
    const listener = await listen(
      async () => {
        asked.resolve();
        await answer.promise;
        return new Response("ok");
      },
      { host, port: 0 },
    );
    const agent = new Agent({ keepAlive: true });
    t.after(() => agent.destroy());
    const response = ask(agent, listener.port);
    await asked.promise;
    const closed = listener.close();
    answer.resolve();
    assert.equal((await response).headers.connection, "close");
    await closed;
  });
});

describe("signalled", () => {
  it("lets a second signal end a process that has nothing to do, and needs no third one", async (t) => {
    const server = new URL("../../src/node/server.ts", import.meta.url);
    const script = `
      import { signalled } from ${JSON.stringify(server)};
      setInterval(() => {}, 2 ** 30);
      const first = signalled();
      console.log("listens");
      console.log(await first);`;
    const child = spawn(process.execPath, ["--conditions=source", "--input-type=module", "--eval", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    t.after(() => child.kill("SIGKILL"));
    const ended = once(child, "exit");
    await once(child.stdout, "data");
    child.kill("SIGTERM");
    await once(child.stdout, "data");
    // Within 50 ms of the first, a signal counts as the same.
    await sleep(1_000);
    child.kill("SIGINT");
    // The third signal only ends a process that took no notice of the second.
    await Promise.race([ended, sleep(5_000, undefined, { ref: false })]);
    child.kill("SIGTERM");
    assert.deepEqual(await ended, [130, null]);
  });
});
