import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { pbkdf2 } from "node:crypto";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { openLog } from "../../src/node/log.ts";
import type { LogLevel } from "../../src/node/settings.ts";

function logging(t: TestContext, level: LogLevel) {
  const directory = mkdtempSync(join(tmpdir(), "cauce-log-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const file = join(directory, "log");
  return { log: openLog({ level, to: openSync(file, "w") }), text: () => readFileSync(file, "utf8") };
}

test("a log line has its level, time and fields, also where JSON cannot hold a field", async (t) => {
  const { log, text } = logging(t, "info");
  const loop: Record<string, unknown> = { big: 12n };
  loop.loop = loop;
  log.info({ orderId: "a", status: "paid", visit: 1, attempt: 2, milliseconds: 3, outcome: "moved" }, "attempt done");
  log.error(loop, "odd");
  await log.close();
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

test("a log line has the stack of an error and of all behind it, whatever the field is named", async (t) => {
  const { log, text } = logging(t, "info");
  const cause = new AggregateError([new Error("first"), new Error("second")]);
  log.warn({ error: new TypeError("fetch failed", { cause }) }, "not charged");
  log.warn({ err: new TypeError("fetch failed", { cause }) }, "not charged");
  await log.close();
  const [line, byPino] = text().split("\n");
  const { error } = JSON.parse(line ?? "");
  assert.match(error, /^TypeError: fetch failed\n {4}at /);
  for (const reason of ["AggregateError", "Error: first\n", "Error: second\n"])
    assert.ok(error.includes(`caused by: ${reason}`));
  assert.equal(JSON.parse(byPino ?? "").err.type, "TypeError");
});

test("log lines are JSON in the order in which they were written, whatever their fields and messages", async (t) => {
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
  await log.close();
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

test("log lines under way to a slow file are written before later ones", async (t) => {
  const { log, text } = logging(t, "info");
  // Every thread of the pool that writes files is busy first.
  for (let n = 0; n < 8; n++) pbkdf2("password", "salt", 100_000, 64, "sha512", () => {});
  for (let n = 0; n < 1_000; n++) log.info({ n, padding: "x".repeat(200) }, "many");
  await log.close();
  assert.deepEqual(
    text()
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line).n),
    Array.from({ length: 1_000 }, (_, n) => n),
  );
});

test("a log whose reader has left closes", async () => {
  const script = `
    const { openLog } = await import(${JSON.stringify(new URL("../../src/node/log.ts", import.meta.url).href)});
    const log = openLog({ level: "info", to: 2 });
    process.stdin.once("end", async () => {
      for (let n = 0; n < 1_000; n++) log.info({ n, padding: "x".repeat(200) }, "many");
      await log.close();
      process.exitCode = 7;
    }).resume();`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
    stdio: ["pipe", "ignore", "pipe"],
  });
  child.stderr.destroy();
  child.stderr.once("close", () => child.stdin.end());
  assert.deepEqual(await once(child, "exit"), [7, null]);
});

test("a log whose disk is full closes, and has counted its lines", {
  skip: process.platform === "linux" ? false : "only Linux has /dev/full",
}, async () => {
  const full = openSync("/dev/full", "w");
  const log = openLog({ level: "info", to: full });
  for (let n = 0; n < 1_000; n++) log.info({ n, padding: "x".repeat(200) }, "many");
  await log.close();
  closeSync(full);
  assert.equal(log.dropped(), 1_000);
});

test("a log writes the lines of its level and of the levels above", async (t) => {
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
    await log.close();
    const lines = text().split("\n").filter(Boolean);
    assert.deepEqual(
      lines.map((line) => JSON.parse(line).level),
      expected,
    );
  }
});
