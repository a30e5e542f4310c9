import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** What is stable of Cauce, and what each file of `files` holds of it. */
export const goldenFiles = {
  "schema.standard.sql": "the SQLite schema of a new store",
  "schema.fifo.sql": "the SQLite schema of a new store in FIFO delivery",
  "items.standard.json": "DynamoDB: each write of an order's life, and the items that it leaves",
  "items.fifo.json": "DynamoDB: the same writes and items in FIFO delivery",
  "messages.standard.json": "SNS and SQS: each message that is published or sent, as it goes over the wire",
  "messages.fifo.json": "SNS and SQS: the same messages in FIFO delivery",
  "openapi.json": "/openapi.json of examples/orders behind API keys",
  "openapi.open.json": "what differs in it without API keys, as a merge patch (RFC 7396)",
  "template.standard.shared.json": "the CloudFormation template of test/deploy/fixtures/shop.ts",
  "template.standard.per-status.json": "what differs in it with a function for each status, as a merge patch",
  "template.standard.kubernetes.json": "what differs in it for pods, as a merge patch",
  "template.fifo.shared.json": "what differs in it in FIFO delivery, as a merge patch",
  "template.fifo.per-status.json":
    "what differs in it in FIFO delivery with a function for each status, as a merge patch",
  "template.fifo.kubernetes.json": "what differs in it in FIFO delivery for pods, as a merge patch",
  "template.secured.json": "what differs in it outside dev, with keys and an alarm topic, as a merge patch",
  "cauce.d.ts": 'the types of "cauce", and what they are made of',
  "cauce.sqlite.d.ts": 'the types of "cauce/sqlite"',
  "cauce.aws.d.ts": 'the types of "cauce/aws"',
  "cauce.lambda.d.ts": 'the types of "cauce/lambda"',
  "cauce.cdk.d.ts": 'the types of "cauce/cdk"',
  "cauce.http.d.ts": 'the types of "cauce/http"',
  "cauce.testing.d.ts": 'the types of "cauce/testing"',
} as const;

export type GoldenFile = keyof typeof goldenFiles;

export const directory = join(import.meta.dirname, "files");
const linesAround = 3;
const linesShown = 4;

/** Whether this run writes the files: `npm run golden`. */
export const writes = process.env.GOLDEN_FILES === "write";

/** Compares with the file of that name, or writes it. */
export function assertGolden(name: GoldenFile, text: string): void {
  const file = join(directory, name);
  if (writes) {
    writeFileSync(file, text);
    return;
  }
  const difference = firstDifference(readFileSync(file, "utf8"), text);
  if (difference === undefined) return;
  const what = `test/golden/files/${name} (${goldenFiles[name]}) is not what the sources give`;
  assert.fail(`${what}; if that is meant, run npm run golden and say why in the change\n${difference}`);
}

/**
 * The first lines that differ, with those before them; undefined where none do. A whole diff of thousands of lines takes
 * minutes, and \`git diff\` shows it once the file is written.
 */
export function firstDifference(expected: string, actual: string): string | undefined {
  if (expected === actual) return undefined;
  const [before, after] = [expected.split("\n"), actual.split("\n")];
  const at = before.findIndex((line, n) => line !== after[n]);
  const first = at < 0 ? before.length : at;
  const shown = (lines: readonly string[], mark: string) =>
    lines.slice(first, first + linesShown).map((line) => `${mark} ${line}`);
  const around = before.slice(Math.max(0, first - linesAround), first).map((line) => `  ${line}`);
  return [`line ${first + 1}:`, ...around, ...shown(before, "-"), ...shown(after, "+")].join("\n");
}

/** JSON with a value of DynamoDB on one line. */
export function jsonOf(value: unknown): string {
  const text = JSON.stringify(value, null, 2);
  return `${text.replaceAll(/\{\n\s+("(?:S|N|B|BOOL)": [^\n]+)\n\s+\}/g, "{ $1 }")}\n`;
}

/** What makes of one JSON value another, as RFC 7396 has it; undefined where they are equal. */
export function mergePatch(from: unknown, to: unknown): unknown {
  if (!isObject(from) || !isObject(to)) return JSON.stringify(from) === JSON.stringify(to) ? undefined : to;
  const patch: Record<string, unknown> = {};
  for (const name of new Set([...Object.keys(from), ...Object.keys(to)])) {
    if (!(name in to)) patch[name] = null;
    else if (!(name in from)) patch[name] = to[name];
    else {
      const inner = mergePatch(from[name], to[name]);
      if (inner !== undefined) patch[name] = inner;
    }
  }
  return Object.keys(patch).length === 0 ? undefined : patch;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
