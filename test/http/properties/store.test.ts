import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { assertUnpolluted, dataText, fairText, hostileText, jsonText, serving } from "./hostile.ts";

const json = { "content-type": "application/json" };

test("a store on disk holds what was answered with 202 as it was sent, and nothing else", async (t) => {
  const { cauce, assertServes } = await serving(t);
  const ask = async (path: string, init?: RequestInit) => cauce.fetch(new Request(`http://a${path}`, init));
  const stored = new Map<string, unknown>();
  const keys = fc.option(fc.constantFrom("k-1", "k-2", "__proto__", "constructor", "'; DROP TABLE orders; --"));
  await fc.assert(
    fc.asyncProperty(fc.oneof({ weight: 4, arbitrary: dataText }, jsonText), keys, async (body, key) => {
      const headers = { ...json, ...(key === null || key.includes(" ") ? undefined : { "idempotency-key": key }) };
      const response = await ask("/orders", { method: "POST", body, headers });
      const text = await fairText(response);
      assert.ok([200, 202, 400, 409, 413, 422].includes(response.status), text);
      assertUnpolluted();
      // JSON has no -0.
      if (response.status === 202) stored.set(JSON.parse(text).id, JSON.parse(JSON.stringify(JSON.parse(body))));
    }),
    { numRuns: 250 },
  );
  assert.ok(stored.size > 0);
  const { items } = (await (await ask("/orders?limit=1000")).json()) as { items: { id: string; data: unknown }[] };
  assert.deepEqual(items.map(({ id }) => id).sort(), [...stored.keys()].sort());
  for (const { id, data } of items) {
    assert.deepEqual(data, stored.get(id));
    const one = JSON.parse(await fairText(await ask(`/orders/${id}`))) as { data: unknown };
    assert.deepEqual(one.data, stored.get(id));
  }
  await assertServes();
});

test("a store on disk answers any filter, cursor and id without a server error", async (t) => {
  const { cauce } = await serving(t);
  const ask = async (path: string, init?: RequestInit) => cauce.fetch(new Request(`http://a${path}`, init));
  const ids: string[] = [];
  for (let n = 0; n < 3; n++) ids.push((await cauce.place("orders", { customerId: "c" })).order.id);
  const { nextCursor } = await cauce.list("orders", { limit: 1 });
  assert.ok(nextCursor !== null);
  const spliced = (text: string) =>
    fc
      .tuple(fc.nat(text.length), fc.nat(3), fc.oneof(hostileText, fc.constantFrom("f", "0", "7", "-")))
      .map(([at, cut, other]) => text.slice(0, at) + other + text.slice(at + cut));
  const forged = fc
    .array(fc.oneof(fc.double().map(String), fc.maxSafeInteger().map(String), hostileText), { maxLength: 4 })
    .map((parts) => Buffer.from(`after:${parts.join(":")}`).toString("base64url"));
  const cursor = fc.oneof(spliced(nextCursor), forged, hostileText);
  const id = fc.oneof(spliced(ids[0] as string), hostileText, fc.constant("ffffffff-ffff-7fff-bfff-ffffffffffff"));
  const escaped = (text: string) => encodeURIComponent(text.toWellFormed());
  await fc.assert(
    fc.asyncProperty(cursor, id, hostileText, async (cursor, id, text) => {
      for (const query of [
        `cursor=${escaped(cursor)}`,
        `cursor=${escaped(cursor)}&failed=true`,
        `fingerprint=${escaped(text)}&group=${escaped(id)}`,
        `status=${escaped(text)}&cursor=${escaped(cursor)}`,
      ]) {
        const response = await ask(`/orders?${query}`);
        const page = JSON.parse(await fairText(response)) as { items?: { id: string }[] };
        for (const item of page.items ?? []) assert.ok(ids.includes(item.id));
      }
      const response = await ask(`/orders/${escaped(id)}`);
      const body = await fairText(response);
      if (response.status === 200 && !/^\.{1,2}$|^$|^(?:failures|retry|batch)$/.test(id)) {
        assert.equal((JSON.parse(body) as { id: string }).id, id);
      }
      for (const fields of [{ cursor }, { ids: [id] }, { ids: [id], cursor }, { fingerprint: text }]) {
        await fairText(await ask("/orders/retry", { method: "POST", body: JSON.stringify(fields), headers: json }));
      }
      for (const action of ["retry", "transitions"]) {
        const body = JSON.stringify({ to: "received", reason: text || "x" });
        await fairText(await ask(`/orders/${escaped(id)}/${action}`, { method: "POST", body, headers: json }));
      }
    }),
    { numRuns: 80 },
  );
});
