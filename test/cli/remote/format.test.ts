import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { plain } from "../../../src/cli/output.ts";
import { cut, duration, table } from "../../../src/cli/remote/reading.ts";

const output = { out: () => {}, err: () => {} };

describe("the format of the commands' output", () => {
  it("has durations in at most two units", () => {
    const shown = [-5, 0, 999, 1_000, 9_950, 59_999, 60_000, 200_000, 3_600_000, 3_605_000, 187_200_000].map(duration);
    assert.deepEqual(shown, [
      ...["0 ms", "0 ms", "999 ms", "1.0 s", "9.9 s", "59 s", "1 min", "3 min 20 s", "1 h", "1 h", "2 d 4 h"],
    ]);
  });

  it("has no character that moves a cursor", () => {
    assert.equal(plain("a\u001b[31m\r\nb\u009b\u0007"), "a [31m b ");
    assert.equal(cut("0123456789", 5), "0123…");
    assert.equal(cut("01234", 5), "01234");
  });

  it("aligns characters that are two columns wide", async () => {
    const rows = [
      { name: "日本", n: 1 },
      { name: "plain", n: 10 },
    ];
    const text = await table(output, rows, [
      ["name", ({ name }) => name],
      ["n", ({ n }) => n, "right"],
    ]);
    assert.equal(text, "name    n\n日本    1\nplain  10\n");
  });
});
