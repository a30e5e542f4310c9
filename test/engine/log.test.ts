import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { standardErrorLog } from "../../src/engine/log.ts";

/** Keeps the lines that a log writes to standard error, and shows none of them. */
function written(t: TestContext): string[] {
  const lines: string[] = [];
  t.mock.method(process.stderr, "write", (line: string) => lines.push(line) > 0);
  return lines;
}

test("the log on standard error has a JSON line for each warning and error, and none for information", (t) => {
  const lines = written(t);
  const log = standardErrorLog();
  log.info({ n: 1 }, "all is well");
  log.warn({ orderId: "1", status: "paid" }, "attempt failed");
  log.error({}, "order failed");
  const [warning, error, ...more] = lines.map((line) => JSON.parse(line));
  const { time, ...rest } = warning;
  assert.deepEqual(rest, { level: "warn", message: "attempt failed", orderId: "1", status: "paid" });
  assert.equal(new Date(time).toISOString(), time);
  assert.deepEqual([error.level, error.message, more], ["error", "order failed", []]);
  for (const line of lines) assert.match(line, /^[^\n]+\n$/);
});

test("the log takes values that JSON cannot hold, since no attempt may fail for what it logs", (t) => {
  const lines = written(t);
  const log = standardErrorLog();
  const circular: Record<string, unknown> = {};
  circular.self = circular;
  log.error({ error: new TypeError("no such customer"), amount: 5n }, "one");
  log.warn({ circular }, "two");
  const causes = new AggregateError([new Error("first"), new Error("second")]);
  log.error({ error: new TypeError("fetch failed", { cause: causes }) }, "three");
  const three = JSON.parse(lines[2] ?? "").error;
  for (const reason of ["AggregateError", "Error: first\n", "Error: second\n"]) {
    assert.ok(three.includes(`\ncaused by: ${reason}`), three);
  }
  const [one, two] = lines.map((line) => JSON.parse(line));
  assert.match(one.error, /^TypeError: no such customer\n {4}at /);
  assert.equal(one.amount, "5");
  assert.deepEqual([two.level, two.message], ["warn", "two"]);
  assert.match(two.fields, /^not written: .*circular/);
});
