import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { memory } from "../../src/backend/memory/memory.ts";
import type { ListQuery } from "../../src/backend/port.ts";
import type { StoredOrder } from "../../src/core/order.ts";
import { type BulkResult, type BulkStep, eachMatching } from "../../src/engine/operatorActions.ts";
import { actor, cauceError } from "./support.ts";

/** Makes a store with `count` waiting orders: every third in group "b", the others in "a". */
async function storing(t: TestContext, count: number) {
  const backend = memory();
  t.after(() => backend.close());
  const orders: StoredOrder[] = [];
  for (let n = 0; n < count; n++) {
    const placed = await backend.place({
      ...{
        status: "held",
        kind: "waiting",
        dataJson: "{}",
        createdAt: n,
        expiresAt: null,
        extrasJson: null,
        key: null,
      },
      group: n % 3 === 0 ? "b" : "a",
      by: { ...actor, requestId: null, messageId: null },
    });
    orders.push(placed.outcome === "placed" ? placed.order : assert.fail());
  }
  const queries: ListQuery[] = [];
  const reads: string[] = [];
  const acted: string[] = [];
  const recording = {
    list: (query: ListQuery) => {
      queries.push(query);
      return backend.list(query);
    },
    get: (id: string) => {
      reads.push(id);
      return backend.get(id);
    },
  };
  const act = async ({ id }: StoredOrder) => {
    acted.push(id);
    return true;
  };
  /** Calls with each returned cursor until there is none, and gives the results of all calls. */
  const toTheEnd = async (filter: Parameters<typeof eachMatching>[1], step: BulkStep): Promise<BulkResult[]> => {
    const results: BulkResult[] = [];
    for (let cursor: string | undefined; ; ) {
      const result = await eachMatching(recording, filter, { ...step, cursor }, act);
      results.push(result);
      if (result.nextCursor === null) return results;
      cursor = result.nextCursor;
    }
  };
  return { backend: recording, orders, queries, reads, acted, act, toTheEnd, ids: orders.map(({ id }) => id) };
}

const countsOf = (results: readonly BulkResult[]) => results.map(({ done, matched }) => [done, matched]);

describe("eachMatching", () => {
  test("acts on each matching order once, call by call, over a list and over ids", async (t) => {
    for (const byIds of [false, true]) {
      const { toTheEnd, ids, acted } = await storing(t, 7);
      const results = await toTheEnd(byIds ? { ids } : {}, { limit: 3 });
      assert.deepEqual(countsOf(results), [
        [3, 3],
        [3, 3],
        [1, 1],
      ]);
      assert.deepEqual(acted, byIds ? ids : ids.toReversed());
    }
  });

  test("counts only matching orders against the limit of a list, and every id against the limit of ids", async (t) => {
    const { toTheEnd, ids } = await storing(t, 7);
    assert.deepEqual(countsOf(await toTheEnd({ group: "b" }, { limit: 2 })), [
      [2, 2],
      [1, 1],
    ]);
    assert.deepEqual(countsOf(await toTheEnd({ group: "b", ids: ["0193", ...ids] }, { limit: 3 })), [
      [1, 1],
      [1, 1],
      [1, 1],
    ]);
  });

  test("acts once on an order that is named twice, and does nothing with a cursor past the end", async (t) => {
    const { backend, toTheEnd, ids, acted, act } = await storing(t, 3);
    const twice = ids.flatMap((id) => [id, id]);
    assert.deepEqual(countsOf(await toTheEnd({ ids: twice }, { limit: 2 })), [
      [2, 2],
      [1, 1],
    ]);
    assert.deepEqual(acted, ids);
    const { nextCursor } = await eachMatching(backend, { ids }, { limit: 2 }, act);
    assert.ok(nextCursor);
    assert.deepEqual(await eachMatching(backend, { ids: ids.slice(0, 1) }, { limit: 2, cursor: nextCursor }, act), {
      ...{ done: 0, matched: 0, nextCursor: null },
    });
  });

  test("reads orders in pages of 200", async (t) => {
    const { toTheEnd, ids, queries, acted } = await storing(t, 450);
    assert.deepEqual(countsOf(await toTheEnd({}, { limit: 420 })), [
      [420, 420],
      [30, 30],
    ]);
    assert.deepEqual(
      queries.map(({ limit }) => limit),
      [200, 200, 20, 200],
    );
    const together: number[] = [];
    let running = 0;
    const result = await eachMatching(
      { list: () => assert.fail("not asked for"), get: async (id) => ({ id }) as StoredOrder },
      { ids },
      { limit: 1_000 },
      async () => {
        running++;
        await new Promise(setImmediate);
        together.push(running);
        await new Promise(setImmediate);
        running--;
        return true;
      },
    );
    assert.deepEqual(result, { done: 450, matched: 450, nextCursor: null });
    assert.equal(Math.max(...together), 200);
    assert.equal(acted.length, 450);
  });

  test("counts an order as done only where the action did something", async (t) => {
    const { backend, ids } = await storing(t, 4);
    const act = async ({ id }: StoredOrder) => id === ids[0];
    assert.deepEqual(await eachMatching(backend, {}, { limit: 10 }, act), { done: 1, matched: 4, nextCursor: null });
  });

  test("only counts in a dry run, whose cursors are those of the run", async (t) => {
    for (const byIds of [false, true]) {
      const { toTheEnd, ids, acted } = await storing(t, 7);
      const filter = { group: "a", ...(byIds ? { ids } : {}) };
      const dry = await toTheEnd(filter, { limit: 3, dryRun: true });
      assert.deepEqual(acted, []);
      const run = await toTheEnd(filter, { limit: 3 });
      assert.deepEqual(
        dry.map(({ nextCursor }) => nextCursor),
        run.map(({ nextCursor }) => nextCursor),
      );
      assert.deepEqual(
        dry.map(({ matched }) => matched),
        run.map(({ matched }) => matched),
      );
      assert.ok(dry.every(({ done }) => done === 0));
      assert.equal(acted.length, 4);
    }
  });

  test("leaves an order alone that no longer matches when it is listed", async (t) => {
    const { orders, act, acted } = await storing(t, 2);
    const late = { get: async () => undefined, list: async () => ({ items: orders, nextCursor: null }) };
    const result = await eachMatching(late, { group: "a" }, { limit: 10 }, act);
    assert.deepEqual([result, acted], [{ done: 1, matched: 1, nextCursor: null }, [orders[1]?.id]]);
  });

  test("refuses a cursor that no call returned", async (t) => {
    const { backend, ids, act } = await storing(t, 1);
    for (const cursor of ["x", "-1", "1.5", "0"]) {
      for (const filter of [{}, { ids }]) {
        await assert.rejects(eachMatching(backend, filter, { limit: 1, cursor }, act), cauceError("invalid_cursor"));
      }
    }
  });
});
