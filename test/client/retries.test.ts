import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { createClient } from "cauce/http";
import { fakeClock } from "../../src/testing/fakeClock.ts";
import { json, losingAnswers, type parcels, problem, served, stub } from "./support.ts";

const order = { id: "o-1", status: "received", failure: null, history: [] };
/** Makes the pauses between tries 0 s long. */
const random = () => 0;

describe("a client whose answers get lost", () => {
  it("places once, however often it must ask", async (t) => {
    const { cauce, port } = await served(t);
    const way = await losingAnswers(t, port, 3);
    const client = createClient<typeof parcels>({ url: `http://127.0.0.1:${way.port}/parcels`, random });
    const { placed, order } = await client.place({ to: "Ada" });
    assert.equal(way.lost, 3);
    // The first try placed the order, and the answer to the last one says that it was a repeat.
    assert.equal(placed, false);
    const { items } = await cauce.list("parcels");
    assert.deepEqual(
      items.map(({ id }) => id),
      [order.id],
    );
  });

  it("moves and retries an order once", async (t) => {
    const { cauce, port } = await served(t);
    const place = async (to: string, isSo: string) => {
      const direct = createClient<typeof parcels>({ url: `http://127.0.0.1:${port}/parcels` });
      const { order } = await direct.place({ to });
      await direct.waitFor(order.id, ["held", "sent"]).catch((error) => assert.equal(error.code, isSo));
      return order.id;
    };
    const client = async (count: number) => {
      const way = await losingAnswers(t, port, count);
      return createClient<typeof parcels>({ url: `http://127.0.0.1:${way.port}/parcels`, random });
    };
    const held = await place("Ada", "");
    const sent = await (await client(2)).transition(held, { to: "sent" });
    assert.deepEqual([sent.status, sent.visit], ["sent", 2]);

    const failed = await place("BAD 1", "order_failed");
    await cauce.drain();
    const version = (await cauce.get("parcels", failed))?.version ?? 0;
    const retried = await (await client(1)).retry(failed);
    assert.deepEqual([retried.failure, retried.version], [null, version + 1]);
  });

  it("gives up after its retries, and names the server that did not answer", async (t) => {
    const { cauce, port } = await served(t);
    const way = await losingAnswers(t, port, 10);
    const url = `http://127.0.0.1:${way.port}`;
    const client = createClient<typeof parcels>({ url: `${url}/parcels`, random, retries: 2 });
    await assert.rejects(client.place({ to: "Ada" }), {
      code: "unreachable",
      status: undefined,
      message: new RegExp(`^cannot reach ${url}: \\S.* \\(tried 3 times\\); check that the server runs`),
    });
    assert.equal(way.lost, 3);
    assert.equal((await cauce.list("parcels")).items.length, 1);
    // A retry of many is not repeated, since its count would be wrong.
    await assert.rejects(client.retryMany(), { code: "unreachable" });
    assert.equal(way.lost, 4);
  });
});

describe("a client whose server refuses for now", () => {
  /** Starts a server that answers with these statuses in turn, then with an order. */
  const refusing = (t: TestContext, statuses: readonly number[], headers: Record<string, string> = {}) => {
    let next = 0;
    return stub(t, (_request, response) => {
      const status = statuses[next++];
      if (status === undefined) return json(response, 202, order);
      if (status === 502) return void response.writeHead(502).end("<html>Bad Gateway</html>");
      problem(response, status, "store_unavailable", headers);
    });
  };

  it("tries 429, 502, 503 and 504 again with the same key, and nothing else", async (t) => {
    const { url, asked } = await refusing(t, [503, 429, 502, 504]);
    const client = createClient({ url: `${url}/orders`, random });
    assert.equal((await client.place({})).placed, true);
    const keys = new Set(asked.map(({ headers }) => headers["idempotency-key"]));
    assert.equal(asked.length, 5);
    assert.equal(keys.size, 1);
    assert.match(String([...keys][0]), /^[0-9a-f-]{36}$/);
    for (const status of [400, 404, 409, 422, 500]) {
      const { url, asked } = await refusing(t, [status]);
      await assert.rejects(createClient({ url: `${url}/orders`, random }).place({}), { status });
      assert.equal(asked.length, 1);
    }
  });

  it("rejects with the last refusal", async (t) => {
    const { url, asked } = await refusing(t, [503, 503, 503]);
    await assert.rejects(createClient({ url: `${url}/orders`, random, retries: 2 }).place({}), {
      code: "store_unavailable",
      status: 503,
    });
    assert.equal(asked.length, 3);
    const gateway = await refusing(t, [502]);
    await assert.rejects(createClient({ url: `${gateway.url}/orders`, retries: 0 }).place({}), {
      code: "unreachable",
      status: 502,
    });
  });

  /** Makes a client on a clock that the test moves, whose answers the test gives. */
  function timed(answers: readonly Response[]) {
    const clock = fakeClock();
    const left = [...answers];
    const at: number[] = [];
    const start = clock.now();
    const client = createClient({
      url: "http://127.0.0.1:1/orders",
      clock,
      random: () => 1 - 1e-9,
      fetch: async () => {
        at.push(Math.round((clock.now() - start) / 10) / 100);
        return left.shift() ?? Response.json(order, { status: 202 });
      },
    });
    /** Moves time on until the call has ended. */
    const ended = async <T>(call: Promise<T>): Promise<T> => {
      let over = false;
      const done = call.finally(() => (over = true));
      done.catch(() => {});
      while (!over) {
        await new Promise(setImmediate);
        if (clock.timers > 0) clock.advance(0.01);
      }
      assert.equal(clock.timers, 0);
      return done;
    };
    return { client, at, ended };
  }
  const busy = (retryAfter?: string) =>
    new Response("", { status: 503, headers: retryAfter === undefined ? {} : { "retry-after": retryAfter } });

  it("doubles its pauses from a quarter of a second", async () => {
    const { client, at, ended } = timed([busy(), busy(), busy(), busy()]);
    await ended(client.place({}));
    assert.deepEqual(at, [0, 0.25, 0.75, 1.75, 3.75]);
  });

  it("waits as long as Retry-After asks, in seconds or until a date", async () => {
    const { client, at, ended } = timed([busy("7"), busy(new Date(Date.UTC(2026, 10, 24, 0, 0, 20)).toUTCString())]);
    await ended(client.place({}));
    assert.deepEqual(at, [0, 7.25, 20.5]);
  });

  it("does not wait for a server that asks for more than a minute", async () => {
    const { client, at, ended } = timed([busy("61")]);
    await assert.rejects(ended(client.place({})), { code: "unreachable", status: 503 });
    assert.deepEqual(at, [0]);
  });
});

describe("a client without an answer", () => {
  it("counts a try that lasts too long as lost", async (t) => {
    const clock = fakeClock();
    let tries = 0;
    const { url } = await stub(t, (_request, response) => {
      // Headers and half of a body are no whole answer.
      if (tries++ === 0) return void response.writeHead(202, { "content-type": "application/json" }).write('{"id":');
      json(response, 200, order);
    });
    /** Lets a try's time run out once its answer has begun. */
    const halfAnswered = async (...args: Parameters<typeof fetch>) => {
      const response = await fetch(...args);
      if (response.status === 202) clock.advance(0.3);
      return response;
    };
    const options = { url: `${url}/orders`, random, clock, fetch: halfAnswered, timeoutSeconds: 0.3 };
    assert.deepEqual(await createClient(options).place({}), { placed: false, order });
    assert.equal(tries, 2);
    tries = 0;
    await assert.rejects(createClient({ ...options, retries: 0 }).place({}), {
      code: "unreachable",
      message: /no answer within 0\.3 s/,
    });
  });

  it("ends at its caller's signal, and does not try again", async (t) => {
    const abort = new AbortController();
    const { url, asked } = await stub(t, () => abort.abort(new Error("gone")));
    const client = createClient({ url: `${url}/orders`, random });
    await assert.rejects(client.place({}, { signal: abort.signal }), { message: "gone" });
    assert.equal(asked.length, 1);
  });

  it("rejects with unreachable where no server listens", async (t) => {
    const { url } = await stub(t, (_request, response) => void response.end());
    const port = new URL(url).port;
    const client = createClient({ url: `http://127.0.0.1:${Number(port) === 1 ? 2 : 1}/orders`, retries: 0 });
    await assert.rejects(client.list(), { code: "unreachable", message: /^cannot reach http:\/\/127\.0\.0\.1:1: / });
  });

  it("refuses answers that are not Cauce's", async (t) => {
    for (const [status, body] of [
      [200, "<html>"],
      [404, "<html>"],
      [200, "{}"],
      [500, "null"],
    ] as const) {
      const { url } = await stub(t, (_request, response) => void response.writeHead(status).end(body));
      await assert.rejects(createClient({ url: `${url}/orders` }).place({}), { code: "unexpected_answer", status });
    }
  });
});
