import assert from "node:assert/strict";
import { mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { openLog } from "../../src/runtime/log.ts";
import type { LogLevel } from "../../src/runtime/logLevels.ts";

function logging(t: TestContext, level: LogLevel) {
  const directory = mkdtempSync(join(tmpdir(), "cauce-log-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const file = join(directory, "log");
  return { log: openLog({ level, to: openSync(file, "w") }), text: () => readFileSync(file, "utf8") };
}

test("a line has its level, time and fields; what JSON has no word for does not stop it", (t) => {
  const { log, text } = logging(t, "info");
  const loop: Record<string, unknown> = { big: 12n };
  loop.loop = loop;
  log.info({ orderId: "a", status: "paid", visit: 1, attempt: 2, milliseconds: 3, outcome: "moved" }, "attempt done");
  log.error(loop, "odd");
  log.close();
  const [first, second, end] = text().split("\n");
  const { time, ...fields } = JSON.parse(first ?? "");
  assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.deepEqual(fields, {
    level: "info",
    orderId: "a",
    status: "paid",
    visit: 1,
    attempt: 2,
    milliseconds: 3,
    outcome: "moved",
    message: "attempt done",
  });
  assert.equal(JSON.parse(second ?? "").message, "odd");
  assert.equal(end, "");
});

test("fields of every kind and odd messages are lines of JSON, in the order in which they were written", (t) => {
  const { log, text } = logging(t, "info");
  const fields = [
    { text: '"\n\\ \u2028 \ud800 漢', none: null, missing: undefined, not: Number.NaN, yes: true },
    { error: new Error("down"), status: "paid" },
    {},
    { missing: undefined },
  ];
  for (const [n, each] of fields.entries()) log.info(each, `line ${n} "quoted"`);
  log.info({ status: "paid" }, undefined as unknown as string);
  for (let n = 0; n < 1_000; n++) log.info({ n, padding: "x".repeat(200) }, "many");
  log.close();
  const lines = text()
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  const { level, time, message, ...first } = lines[0];
  assert.deepEqual([level, message, typeof time], ["info", 'line 0 "quoted"', "string"]);
  assert.deepEqual(first, { text: '"\n\\ \u2028 \ud800 漢', none: null, not: null, yes: true });
  assert.deepEqual(
    lines.slice(1, 5).map((line) => line.message),
    ['line 1 "quoted"', 'line 2 "quoted"', 'line 3 "quoted"', undefined],
  );
  assert.deepEqual(
    lines.slice(5).map((line) => line.n),
    Array.from({ length: 1_000 }, (_, n) => n),
  );
});

test("a level writes itself and what is worse", (t) => {
  for (const [level, expected] of [
    ["info", ["info", "warn", "error"]],
    ["warn", ["warn", "error"]],
    ["error", ["error"]],
    ["silent", []],
  ] as const) {
    const { log, text } = logging(t, level);
    log.info({}, "a");
    log.warn({}, "b");
    log.error({}, "c");
    log.close();
    const lines = text().split("\n").filter(Boolean);
    assert.deepEqual(
      lines.map((line) => JSON.parse(line).level),
      expected,
    );
  }
});
