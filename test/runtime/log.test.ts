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
