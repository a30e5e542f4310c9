import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { openBench } from "../../bench/lib/bench.ts";
import { measureRestart } from "../../bench/lib/restart.ts";

describe("the measured restart", () => {
  it("kills a server with orders in hand, and sees them and the fresh ones end", async (t) => {
    const bench = await openBench();
    t.after(() => bench.close());
    const said: string[] = [];
    const listening = { ...bench, progress: (text: string) => void said.push(text) };
    const figures = await measureRestart(listening, { inHand: 20, handlerMilliseconds: 20, freshSeconds: 1 });
    const [fresh, all] = figures;
    assert.equal(said[0], "killed with 20 orders in hand");
    assert.deepEqual([fresh?.name, all?.name], ["freshAfterKillSeconds", "allAfterKillSeconds"]);
    assert.ok(fresh !== undefined && fresh.value > 0.02, said.join("\n"));
    assert.ok(all !== undefined && all.value > 0.02 && all.detail?.includes("given up") === false, said.join("\n"));
  });
});
