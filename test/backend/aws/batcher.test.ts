import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { type Batcher, createBatcher } from "../../../src/backend/aws/clients.ts";

/** Makes a batcher whose turns and waits pass when the test says so, and notes its calls. */
function gathering(
  t: TestContext,
  send: Parameters<typeof createBatcher<string, string>>[1] = async (items) => items.map((value) => ({ value })),
  max = 3,
): { batcher: Batcher<string, string>; calls: string[][]; pass(milliseconds: number): void } {
  t.mock.timers.enable({ apis: ["setImmediate", "setTimeout"] });
  const calls: string[][] = [];
  const batcher = createBatcher<string, string>(max, (items) => {
    calls.push([...items]);
    return send(items);
  });
  return { batcher, calls, pass: (milliseconds) => t.mock.timers.tick(milliseconds) };
}

describe("a batcher", () => {
  it("makes one call of the items of one turn, and another of the next turn's items", async (t) => {
    const { batcher, calls, pass } = gathering(t);
    const first = [batcher.add("a"), batcher.add("b")];
    assert.deepEqual(calls, []);
    pass(0);
    assert.deepEqual(calls, [["a", "b"]]);
    const second = batcher.add("c");
    pass(0);
    assert.deepEqual(calls, [["a", "b"], ["c"]]);
    assert.deepEqual(await Promise.all([...first, second]), ["a", "b", "c"]);
  });

  it("calls at once when a batch is full, and again for the rest", async (t) => {
    const { batcher, calls, pass } = gathering(t);
    const all = ["a", "b", "c", "d"].map((item) => batcher.add(item));
    assert.deepEqual(calls, [["a", "b", "c"]]);
    pass(0);
    assert.deepEqual(calls, [["a", "b", "c"], ["d"]]);
    assert.deepEqual(await Promise.all(all), ["a", "b", "c", "d"]);
  });

  it("waits for the expected items, and calls in the turn in which the last of them came", async (t) => {
    const { batcher, calls, pass } = gathering(t);
    const arrived = [batcher.expect(), batcher.expect()];
    void batcher.add("a");
    pass(0);
    pass(5);
    void batcher.add("b");
    arrived[0]?.();
    arrived[0]?.();
    pass(5);
    assert.deepEqual(calls, []);
    arrived[1]?.();
    pass(0);
    assert.deepEqual(calls, [["a", "b"]]);
  });

  it("waits at most 15 ms for expected items, and again so long for the next call", (t) => {
    const { batcher, calls, pass } = gathering(t);
    const arrived = batcher.expect();
    void batcher.add("a");
    pass(0);
    pass(14);
    assert.deepEqual(calls, []);
    pass(1);
    assert.deepEqual(calls, [["a"]]);
    void batcher.add("b");
    pass(0);
    pass(14);
    assert.deepEqual(calls, [["a"]]);
    arrived();
    pass(0);
    assert.deepEqual(calls, [["a"], ["b"]]);
  });

  it("starts its wait again for the next call where the one it waited for became full", (t) => {
    const { batcher, calls, pass } = gathering(t);
    batcher.expect();
    void batcher.add("a");
    pass(0);
    pass(10);
    void batcher.add("b");
    void batcher.add("c");
    void batcher.add("d");
    pass(0);
    pass(10);
    assert.deepEqual(calls, [["a", "b", "c"]]);
  });

  it("makes no call without items when expected items never come", (t) => {
    const { batcher, calls, pass } = gathering(t);
    batcher.expect()();
    pass(0);
    pass(100);
    assert.deepEqual(calls, []);
  });

  it("gives each item its own result", async (t) => {
    const { batcher, pass } = gathering(t, async (items) =>
      items.map((item) => (item === "b" ? { error: new Error("not b") } : { value: item.toUpperCase() })),
    );
    const all = Promise.allSettled([batcher.add("a"), batcher.add("b"), batcher.add("c")]);
    pass(0);
    const [a, b, c] = await all;
    assert.deepEqual([a, c], [fulfilled("A"), fulfilled("C")]);
    assert.match(String((b as PromiseRejectedResult).reason), /not b/);
  });

  it("rejects every item of a call that rejects, and no item of another call", async (t) => {
    const { batcher, pass } = gathering(t, async (items) => {
      if (items.includes("a")) throw new Error("down");
      return items.map((value) => ({ value }));
    });
    const failing = Promise.allSettled([batcher.add("a"), batcher.add("b")]);
    pass(0);
    const going = batcher.add("c");
    pass(0);
    assert.deepEqual(
      (await failing).map((each) => String((each as PromiseRejectedResult).reason)),
      ["Error: down", "Error: down"],
    );
    assert.equal(await going, "c");
  });

  it("rejects the items for which a call brought no result", async (t) => {
    const { batcher, pass } = gathering(t, async () => [{ value: "only" }]);
    const all = Promise.allSettled([batcher.add("a"), batcher.add("b")]);
    pass(0);
    const [a, b] = await all;
    assert.deepEqual(a, fulfilled("only"));
    assert.match(String((b as PromiseRejectedResult).reason), /1 results for 2 items/);
  });
});

function fulfilled(value: string): PromiseFulfilledResult<string> {
  return { status: "fulfilled", value };
}
