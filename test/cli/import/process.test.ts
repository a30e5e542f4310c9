import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { describe, it, type TestContext } from "node:test";
import { main } from "../../../src/cli/main.ts";
import { createKey, formatKeyLine } from "../../../src/http/auth.ts";
import { cauce, type Ended, temporaryDirectory } from "../support.ts";
import { allOrders, file, gateAfter, linesOf, parkedApp, serving, wayHeldAfter } from "./support.ts";

const lastLine = (text: string) => JSON.parse(text.trim().split("\n").at(-1) ?? "");

function countsOf({ stdout }: Ended): object {
  const { seconds: _, ...counts } = lastLine(stdout);
  return counts;
}

async function numbersAt(url: string): Promise<number[]> {
  const orders = await allOrders(url);
  return orders.map(({ data }) => (data as { number: number }).number).sort((a, b) => a - b);
}

const numbers = (count: number) => Array.from({ length: count }, (_, number) => number);

/** Starts an import of 20,000 lines whose server holds back all lines after the first 12,000. */
async function halfway(t: TestContext) {
  const gate = gateAfter(12_000);
  const { base, url } = await serving(t, gate);
  const args = ["import", file(t, linesOf(20_000)), "--url", base, "--json"];
  const first = cauce(t, args);
  await gate.reached;
  return { gate, url, args, first };
}

describe("cauce import", () => {
  it("stops at SIGINT with 130, and the same command goes on", async (t) => {
    const { gate, url, args, first } = await halfway(t);
    first.kill("SIGINT");
    await first.wrote(/^stopping: /m);
    gate.open();
    const stopped = await first.ended;
    assert.equal(stopped.code, 130);
    assert.match(stopped.stderr, /^interrupted: stopped after line \d+, .*; the same command goes on from there$/m);
    const second = await cauce(t, args).ended;
    assert.equal(second.code, 0, second.stderr);
    assert.match(second.stderr, /^going on after line /);
    assert.deepEqual(countsOf(second), { placed: 20_000, repeated: 0, refused: 0, lines: 20_000 });
    assert.deepEqual(await numbersAt(url), numbers(20_000));
  });

  it("goes on after it was killed, places no line twice and leaves none out", async (t) => {
    const { gate, url, args, first } = await halfway(t);
    first.kill("SIGKILL");
    await first.ended;
    gate.open();
    const second = await cauce(t, args).ended;
    assert.equal(second.code, 0, second.stderr);
    const { placed, repeated, lines } = lastLine(second.stdout);
    assert.deepEqual([placed + repeated, lines], [20_000, 20_000]);
    assert.deepEqual(await numbersAt(url), numbers(20_000));
  });

  it("outlives a server that is killed and started again", async (t) => {
    const directory = temporaryDirectory(t);
    const start = (port: string) => cauce(t, ["start", parkedApp, "--data", directory, "--port", port]);
    const server = start("0");
    const base = await server.address();
    const url = `${base}/parked`;
    const path = file(t, linesOf(20_000));
    // Without the way that holds bytes back, the import could end before the server is killed.
    const way = await wayHeldAfter(t, Number(new URL(base).port), 300_000);
    const over = `http://127.0.0.1:${way.port}`;
    const importing = cauce(t, ["import", path, "--url", over, "--workflow", "parked", "--json"]);
    await way.reached;
    for (let placed = 0; placed === 0; ) {
      const { items } = (await (await fetch(`${url}?limit=1`)).json()) as { items: unknown[] };
      placed = items.length;
    }
    server.kill("SIGKILL");
    await importing.wrote(/trying again/);
    await server.ended;
    await start(new URL(base).port).address();
    const { code, stdout, stderr } = await importing.ended;
    assert.equal(code, 0, stderr);
    const { placed, repeated, refused } = lastLine(stdout);
    assert.deepEqual([placed + repeated, refused], [20_000, 0]);
    assert.deepEqual(await numbersAt(url), numbers(20_000));
  });

  it("maps CSV, prints its counts and exits with 1 when lines were refused", async (t) => {
    const { base, orders } = await serving(t);
    const path = file(t, "Who;Number;Qty\nada;1;2\nbob;x;1\n", "orders.CSV");
    const maps = ["Who=customer", "Number:number=number", "Qty:json=extra"].flatMap((map) => ["--map", map]);
    const { code, stdout, stderr } = await cauce(t, ["import", path, "--url", base, "--delimiter", ";", ...maps]).ended;
    assert.equal(code, 1);
    assert.match(stdout, /^2 lines: 1 placed, 0 repeated, 1 refused, in \d+\.\d s \(\d+ a second\)\n$/);
    assert.equal(
      stderr,
      `import_refused: 1 of 2 lines were refused; ${path}.refused.ndjson has each with its problem\n`,
    );
    assert.deepEqual((await orders())[0]?.data, { customer: "ada", number: 1, extra: 2 });
    rmSync(`${path}.refused.ndjson`);
    const mapping = file(t, '{"Who":"customer","Number":{"path":"number","type":"number"}}', "mapping.json");
    const again = await cauce(t, ["import", path, "--url", base, "--delimiter", ";", "--mapping", mapping]).ended;
    // The same line has other data under the same key.
    assert.match(readFileSync(`${path}.refused.ndjson`, "utf8"), /"line":2,"problem":\{"code":"idempotency_conflict"/);
    assert.equal(again.code, 1);
  });

  it("takes its server and key from variables that cauce start ignores", async (t) => {
    const { key, sha256 } = createKey();
    const keys = formatKeyLine({ name: "shop", role: "intake", sha256 });
    const directory = temporaryDirectory(t);
    const env = { CAUCE_URL: "http://127.0.0.1:1", CAUCE_API_KEY: key, CAUCE_WORKFLOW: "parked", CAUCE_KEYS: keys };
    const server = cauce(t, ["start", parkedApp, "--data", directory, "--port", "0"], { env });
    const CAUCE_URL = await server.address();
    const path = file(t, linesOf(2));
    const done = await cauce(t, ["import", path, "--json"], { env: { ...env, CAUCE_URL } }).ended;
    assert.deepEqual([done.code, countsOf(done)], [0, { placed: 2, repeated: 0, refused: 0, lines: 2 }]);
    const unnamed = await cauce(t, ["import", path, "--json"], { env: { CAUCE_URL, CAUCE_API_KEY: key } }).ended;
    assert.equal(unnamed.code, 1);
    assert.match(unnamed.stderr, /^forbidden: .*; give the workflow with --workflow\n$/);
  });

  it("refuses wrong usage with 2, before it reads or calls anything", async () => {
    const wrong = async (expected: RegExp, ...args: string[]) => {
      let stderr = "";
      const code = await main(["import", ...args], { out: () => {}, err: (text) => (stderr += text) });
      assert.equal(code, 2, stderr);
      assert.match(stderr, expected);
    };
    await wrong(/^setting_invalid: missing required argument 'file'/);
    await wrong(/^setting_invalid: --map is for CSV; give --csv as well\n$/, "x.ndjson", "--map", "a=b");
    await wrong(/^setting_invalid: --envelopes is for lines of JSON/, "x.csv", "--envelopes");
    await wrong(
      /^setting_invalid: option '--mapping <file>' cannot be used with option '--map <header=path>'/,
      "x.csv",
      "--map",
      "a=b",
      "--mapping",
      "m",
    );
    await wrong(/^setting_invalid: --map must be HEADER=PATH/, "x.csv", "--map", "a");
    await wrong(/^setting_invalid: --mapping \S+ cannot be read \(ENOENT\)/, "x.csv", "--mapping", "missing.json");
    await wrong(/^setting_invalid: --delimiter must be one character/, "x.csv", "--delimiter", "ab");
    await wrong(/^setting_invalid: --retry-seconds must be/, "x", "--retry-seconds", "-1");
    await wrong(/^setting_invalid: --source must be/, "x", "--source", "a b");
    await wrong(/^setting_invalid: --url must be an address/, "x", "--url", "shop");
    assert.equal(existsSync("x.cauce-progress"), false);
  });
});
