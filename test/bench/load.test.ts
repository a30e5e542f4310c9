import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { describe, it } from "node:test";
import { openBench, repository } from "../../bench/lib/bench.ts";
import { isInstalled } from "../../bench/lib/children.ts";
import { loadGenerator } from "../../bench/lib/load.ts";

const canLoad = isInstalled("wrk") || existsSync(join(repository, "bench/node_modules/autocannon"));

describe("a load", { skip: canLoad ? false : "neither wrk nor autocannon is installed" }, () => {
  it("tells an answer that says overloaded from any other refusal", async (t) => {
    const answers = [
      { status: 202, body: "{}" },
      { status: 503, body: '{"code":"overloaded"}' },
      { status: 503, body: '{"code":"store_unavailable"}' },
      { status: 202, body: "{}" },
    ];
    let requests = 0;
    const server = createServer((request, response) => {
      request.resume();
      const { status, body } = answers[requests++ % answers.length] ?? { status: 500, body: "" };
      response.writeHead(status).end(body);
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    t.after(() => void server.close());
    const bench = await openBench();
    t.after(() => bench.close());
    const address = server.address();
    assert.ok(typeof address === "object" && address !== null);
    const generator = loadGenerator(bench);
    const load = await generator.run(`http://127.0.0.1:${address.port}`, {
      seconds: 1,
      connections: 4,
      perSecond: 200,
    });
    // The generator leaves the last request of each connection.
    const within = (value: number, share: number) => Math.abs(value - requests * share) <= 8;
    assert.ok(within(load.accepted, 1 / 2), JSON.stringify({ requests, load }));
    assert.ok(within(load.overloaded, 1 / 4), JSON.stringify({ requests, load }));
    assert.ok(within(load.broken, 1 / 4), JSON.stringify({ requests, load }));
    assert.ok(requests >= answers.length && requests < 400, `${requests} requests in a second at 200 a second`);
  });
});
