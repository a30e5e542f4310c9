import assert from "node:assert/strict";
import { Writable } from "node:stream";
import { describe, it } from "node:test";
import { createMeter } from "../../../src/cli/import/meter.ts";

describe("the bar of an import", () => {
  it("shows no rate and no remaining time before the first line is answered", () => {
    let drawn = "";
    const stream = new Writable({ write: (chunk, _encoding, done) => done(void (drawn += chunk)) });
    const terminal = Object.assign(stream, { isTTY: true, columns: 120 }) as unknown as NodeJS.WriteStream;
    const output = { out: () => {}, err: () => {} };
    const start = {
      placed: 1,
      repeated: 0,
      refused: 0,
      seconds: 1,
      bytes: 100,
      line: 1,
      headerBytes: 0,
      refusedBytes: 0,
    };
    const meter = createMeter({ output, terminal }, 1_000_000, start);
    meter.update(start);
    meter.stop();
    assert.match(drawn, /1 lines, 0 refused \| – a second \| – left/);
    assert.doesNotMatch(drawn, /\b0 a second|\d s left/);
  });
});
