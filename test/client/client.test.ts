import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createClient } from "cauce/http";
import { createKey, parseKeys } from "../../src/http/auth.ts";
import { fakeClock } from "../../src/testing/fakeClock.ts";
import { type parcels, type parcelsApp, served } from "./support.ts";

const never = "01990000-0000-7000-8000-000000000000";

describe("a client", () => {
  it("places, reads, moves and waits, typed by the workflow", async (t) => {
    const { url } = await served(t);
    const client = createClient<typeof parcels>({ url: `${url}/parcels` });
    const { placed, order } = await client.place({ to: "Ada" }, { idempotencyKey: "k-1", requestId: "r-1" });
    assert.equal(placed, true);
    assert.deepEqual(order.data, { to: "Ada", kilograms: 1 });
    assert.equal(order.history[0]?.by.requestId, "r-1");

    const held = await client.waitFor(order.id, "held");
    assert.deepEqual(held.results, { label: "L-Ada" });
    assert.deepEqual(await client.get(order.id), held);

    const again = await client.place({ to: "Ada" }, { idempotencyKey: "k-1" });
    assert.deepEqual([again.placed, again.order.id], [false, order.id]);

    const sent = await client.transition(
      order.id,
      { to: "sent", reason: "collected", results: { weighed: true }, expectedVersion: held.version },
      { idempotencyKey: "t-1" },
    );
    assert.equal(sent.status, "sent");
    assert.deepEqual(sent.results, { label: "L-Ada", weighed: true });
    // The order has left the status by now.
    assert.equal((await client.waitFor(order.id, ["held", "returned"])).status, "sent");
    assert.equal(
      (
        await client.transition(
          order.id,
          { to: "sent", reason: "collected", results: { weighed: true }, expectedVersion: held.version },
          { idempotencyKey: "t-1" },
        )
      ).version,
      sent.version,
    );
  });

  it("removes an order once it is final", async (t) => {
    const { url } = await served(t);
    const client = createClient<typeof parcels>({ url: `${url}/parcels` });
    const { order } = await client.place({ to: "Ada" }, { idempotencyKey: "k-1" });
    await client.waitFor(order.id, "held");
    await assert.rejects(client.remove(order.id), { code: "order_not_final", status: 409 });
    await client.transition(order.id, { to: "sent" });
    assert.equal(await client.remove(order.id), undefined);
    assert.equal(await client.get(order.id), undefined);
    await assert.rejects(client.remove(order.id), { code: "order_not_found", status: 404 });
    assert.equal((await client.place({ to: "Bob" }, { idempotencyKey: "k-1" })).placed, true);
  });

  it("lists a page, and iterates over every page, with a filter", async (t) => {
    const { url } = await served(t, { basePath: "/shop/api" });
    const client = createClient<typeof parcelsApp>({ url: `${url}/parcels/` });
    const ids: string[] = [];
    for (let number = 0; number < 7; number++) {
      const { order } = await client.place({ to: number % 2 === 0 ? "even" : "odd" });
      ids.unshift(order.id);
    }
    const page = await client.list({ limit: 3 });
    assert.deepEqual(
      page.items.map(({ id }) => id),
      ids.slice(0, 3),
    );
    assert.ok(page.nextCursor !== null);
    const next = await client.list({ limit: 4, cursor: page.nextCursor });
    assert.deepEqual(
      next.items.map(({ id }) => id),
      ids.slice(3),
    );
    assert.equal(next.nextCursor, null);

    const found: string[] = [];
    for await (const order of client.orders({ limit: 2 })) found.push(order.id);
    assert.deepEqual(found, ids);
    const orders = client.orders({ group: "odd" });
    for (const round of ["once", "and again"]) {
      let count = 0;
      for await (const _order of orders) count++;
      assert.equal(count, 3, round);
    }
  });

  it("shows failures and starts failed orders again", async (t) => {
    const { url } = await served(t);
    const client = createClient<typeof parcels>({ url: `${url}/parcels` });
    const failed = async (to: string) => {
      const { order } = await client.place({ to });
      await assert.rejects(client.waitFor(order.id, "sent"), {
        code: "order_failed",
        message: `the order ${order.id} failed in "received" before "sent": handler_failed: no street ${to}`,
      });
      return order.id;
    };
    const first = await failed("BAD 1");
    await failed("BAD 2");
    const [group, ...others] = await client.failures();
    assert.deepEqual(others, []);
    assert.deepEqual([group?.status, group?.count, group?.fingerprint], ["received", 2, "no street BAD …"]);
    assert.match(group?.lastAt ?? "", /^\d{4}-.*Z$/);

    const retried = await client.retry(first);
    assert.equal(retried.failure, null);
    await assert.rejects(client.waitFor(first, "held"), { code: "order_failed" });
    assert.deepEqual(
      await client.retryMany({ fingerprint: "no street BAD …", limit: 1 }).then(({ retried }) => retried),
      1,
    );
    const rows = await client.queues();
    assert.deepEqual(
      rows.map(({ status, kind }) => [status, kind]),
      [
        ["received", "handled"],
        ["held", "waiting"],
      ],
    );
    const { order } = await client.place({ to: "Ada" });
    await client.waitFor(order.id, "held");
    await assert.rejects(client.retry(order.id), { code: "not_failed", status: 409 });
  });

  it("stops waiting for a status that the order can no longer reach, and after timeoutSeconds", async (t) => {
    const { url } = await served(t);
    const client = createClient<typeof parcels>({ url: `${url}/parcels` });
    const { order } = await client.place({ to: "nowhere" });
    await assert.rejects(client.waitFor(order.id, ["held", "sent"]), {
      code: "order_ended",
      message: `the order ${order.id} ended in "returned" and cannot come to "held" or "sent"`,
    });
    await assert.rejects(client.waitFor(never, "held"), { code: "order_not_found" });

    const held = await client.place({ to: "Ada" });
    await client.waitFor(held.order.id, "held");
    // Time passes once the order, and then its queue, has been read.
    const clock = fakeClock();
    const timed = createClient<typeof parcels>({ url: `${url}/parcels`, clock });
    const waiting = assert.rejects(timed.waitFor(held.order.id, "sent", { timeoutSeconds: 5 }), {
      code: "wait_timed_out",
      message: /did not come to "sent" within 5 s; it stands in "held"$/,
    });
    while (clock.nextAt === null || clock.nextAt >= clock.now() + 5_000) await new Promise(setImmediate);
    clock.advance(5);
    await waiting;
    await assert.rejects(client.waitFor(held.order.id, "sent", { signal: AbortSignal.abort(new Error("enough")) }), {
      message: "enough",
    });
  });

  it("rejects with the server's refusal: its code, status and faults", async (t) => {
    const { key, sha256 } = createKey();
    const { url } = await served(t, { auth: parseKeys(`shop intake ${sha256}`, "test") });
    const address = `${url}/parcels`;
    const client = createClient<typeof parcels>({ url: address, apiKey: key });
    assert.equal((await client.place({ to: "Ada" })).placed, true);
    await assert.rejects(client.place({ to: 5 as never }), (error: never) => {
      const { name, code, status, faults } = error as { name: string; code: string; status: number; faults: unknown };
      assert.deepEqual({ name, code, status }, { name: "CauceError", code: "invalid_data", status: 422 });
      assert.deepEqual(faults, [{ path: "to", message: "Invalid input: expected string, received number" }]);
      return true;
    });
    await assert.rejects(client.list(), { code: "forbidden", status: 403 });
    await assert.rejects(createClient({ url: address }).place({}), { code: "unauthorized", status: 401 });
    await assert.rejects(client.place({ to: "Ada" }, { idempotencyKey: "a b" }), { code: "invalid_request" });
    await assert.rejects(client.place({ to: "Ada" }, { idempotencyKey: "a\nb" }), { code: "invalid_request" });
  });

  it("refuses an id that would lead to another URL", async (t) => {
    const { url } = await served(t);
    const client = createClient<typeof parcels>({ url: `${url}/parcels` });
    for (const id of ["", ".", "..", "failures", "retry", never, "../queues", "a/b", "?x=1", "%2e%2e", "\ud800"]) {
      assert.equal(await client.get(id), undefined, id);
      await assert.rejects(client.retry(id), { code: "order_not_found" }, id);
    }
    await assert.rejects(createClient({ url: `${url}/others` }).queues(), {
      code: "workflow_not_found",
      message: /there is parcels$/,
    });
    await assert.rejects(createClient({ url: `${url}/others` }).place({}), { status: 404 });
  });

  it("refuses options that cannot work", () => {
    const refused = (options: object) =>
      assert.throws(() => createClient(options as never), { code: "setting_invalid" }, JSON.stringify(options));
    for (const url of [
      "orders",
      "ftp://a/orders",
      "http://a",
      "http://a/",
      "http://a/b-c",
      "http://u:p@a/orders",
      "http://a/orders?x=1",
    ]) {
      refused({ url });
    }
    const url = "http://127.0.0.1:3000/orders";
    refused({ url, retries: -1 });
    refused({ url, retries: 0.5 });
    refused({ url, timeoutSeconds: 0 });
    refused({ url, apikey: "x" });
    assert.doesNotThrow(() => createClient({ url }));
  });
});
