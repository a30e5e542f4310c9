import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { parseMap } from "../../../src/cli/import/mapping.ts";
import { file, gateAfter, runImport, serving } from "./support.ts";

const columns = ["Customer=customer", "Number:number=number", "Sku=items.0.sku", "Note=extra"].map(parseMap);
const format = { kind: "csv", delimiter: ",", columns } as const;
const header = "Customer,Number,Sku,Note\n";

describe("an import of CSV", () => {
  it("makes data of the cells, whatever characters are quoted in them", async (t) => {
    const { url, orders } = await serving(t);
    const text = `\ufeff${header}"a, ""b""",1,TEA-1,"two\r\nlines"\r\n\nc,2,,5" wide\nd,3,MUG-1,`;
    const { code, counts } = await runImport(url, file(t, text, "orders.csv"), { format });
    assert.equal(code, undefined);
    assert.deepEqual(counts, { placed: 3, repeated: 0, refused: 0, lines: 3 });
    assert.deepEqual(
      (await orders()).reverse().map(({ data }) => data),
      [
        { customer: 'a, "b"', number: 1, items: [{ sku: "TEA-1" }], extra: "two\r\nlines" },
        { customer: "c", number: 2, extra: '5" wide' },
        { customer: "d", number: 3, items: [{ sku: "MUG-1" }] },
      ],
    );
  });

  it("writes refused rows as they are in the file, with the line on which they begin", async (t) => {
    const { url } = await serving(t);
    const latin1 = Buffer.concat([Buffer.from("caf"), Buffer.from([0xe9]), Buffer.from(",4,,\n")]);
    const path = file(
      t,
      Buffer.concat([Buffer.from(`${header}"a\nb",1,,\nc,two,,"x, ""y"""\nd,3\n,5,,\n`), latin1]),
      "orders.csv",
    );
    const { code, counts } = await runImport(url, path, { format });
    assert.equal(code, "import_refused");
    assert.deepEqual(counts, { placed: 1, repeated: 0, refused: 4, lines: 5 });
    const refused = readFileSync(`${path}.refused.ndjson`, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      refused.map(({ line, problem, text }) => [line, problem.detail.slice(0, 40), text]),
      [
        [4, "the cells do not fit their types: number", 'c,two,,"x, ""y"""'],
        [5, "the line has 2 cells and the header 4", "d,3"],
        [6, "the data does not fit the schema: custom", ",5,,"],
        [7, "the line is not UTF-8; save the file as ", "caf\ufffd,4,,"],
      ],
    );
  });

  it("goes on after the line at which it was stopped, with the same header", async (t) => {
    const gate = gateAfter(10_500);
    const { url, orders } = await serving(t, gate);
    const rows = Array.from({ length: 20_000 }, (_, number) => `c-${number % 3},${number},,"two\nlines"\n`);
    const path = file(t, `\ufeff${header}${rows.join("")}`, "orders.csv");
    const stopping = new AbortController();
    const first = runImport(url, path, { format, stop: stopping.signal });
    await gate.reached;
    stopping.abort("SIGINT");
    gate.open();
    assert.equal((await first).code, "interrupted");
    const placed = (await orders()).length;
    assert.ok(placed < 20_000, `${placed} orders`);
    const second = await runImport(url, path, { format });
    assert.match(second.stderr, new RegExp(`^going on after line ${1 + 2 * placed},`));
    assert.deepEqual(second.counts, { placed: 20_000, repeated: 0, refused: 0, lines: 20_000 });
    const numbers = (await orders()).reverse().map(({ data }) => (data as { number: number }).number);
    assert.deepEqual(
      numbers,
      Array.from({ length: 20_000 }, (_, number) => number),
    );
  });

  it("stops at a file without a header, a header that is not the mapping's, and a quote that does not close", async (t) => {
    const { url, orders } = await serving(t);
    const empty = await runImport(url, file(t, "", "orders.csv"), { format });
    assert.equal(empty.code, "import_unreadable");
    const other = await runImport(url, file(t, "a;b\n1;2\n", "orders.csv"), { format });
    assert.deepEqual([other.code, other.counts], ["setting_invalid", undefined]);
    for (const tail of ["x\ny\n", "x".repeat(5_000_000)]) {
      const path = file(t, `${header}a,${tail.length},,\nb,2,,"${tail}`, "orders.csv");
      const open = await runImport(url, path, { format });
      assert.equal(open.code, "import_unreadable");
      assert.match(open.message, /^line 3: .*a quote is opened there and never closed$/);
      assert.equal(open.counts?.placed, 1);
    }
    assert.equal((await orders()).length, 2);
  });
});
