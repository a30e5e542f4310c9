import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { test } from "node:test";

const source = join(import.meta.dirname, "../../../src/backend/aws");
const joining = ["orders.ts", "aws.ts", "index.ts"];

/** The layers of docs/aws.md: the table, the queues, the index, and what joins them. */
function layerOf(file: string): number {
  if (file.startsWith("queue/")) return 1;
  if (file.startsWith("index/")) return 2;
  return joining.includes(file) ? 3 : 0;
}

test("on AWS the table, the queues and the index import one way, each from its own layer or a lower one", () => {
  const files = globSync("**/*.ts", { cwd: source }).map((file) => file.replaceAll("\\", "/"));
  assert.ok(files.includes("queue/queue.ts"));
  const upward = files.flatMap((file) => {
    const imports = readFileSync(join(source, file), "utf8").matchAll(/from "(\.[^"]+)"/g);
    return [...imports]
      .map(([, specifier = ""]) => posix.join(posix.dirname(file), specifier))
      .filter((target) => !target.startsWith("..") && layerOf(target) > layerOf(file))
      .map((target) => `${file} imports ${target}`);
  });
  assert.deepEqual(upward, []);
});

test("names and limits of AWS load without an SDK", () => {
  for (const file of ["names.ts", "quotas.ts"]) {
    assert.doesNotMatch(readFileSync(join(source, file), "utf8"), /^import (?!type )/m, file);
  }
});
