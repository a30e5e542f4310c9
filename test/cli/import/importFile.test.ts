import assert from "node:assert/strict";
import { appendFileSync, existsSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Readable, Writable } from "node:stream";
import { describe, it } from "node:test";
import { createKey } from "../../../src/http/auth.ts";
import { file, gateAfter, linesOf, runImport, serving } from "./support.ts";

const jsonLines = (path: string) =>
  readFileSync(path, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

describe("an import", () => {
  it("places every line once and in the file's order, equal lines too", async (t) => {
    const { url, orders } = await serving(t);
    const path = file(
      t,
      `\ufeff${linesOf(20_000)}\r\n\n{"customer":"same","number":1}\n{"customer":"same","number":1}`,
    );
    const { code, counts } = await runImport(url, path);
    assert.equal(code, undefined);
    assert.deepEqual(counts, { placed: 20_002, repeated: 0, refused: 0, lines: 20_002 });
    const placed = (await orders()).reverse().map(({ data }) => (data as { number: number }).number);
    assert.deepEqual(placed, [...Array.from({ length: 20_000 }, (_, number) => number), 1, 1]);
    assert.equal(existsSync(`${path}.refused.ndjson`), false);
  });

  it("places nothing when the same file is imported again, also from another path", async (t) => {
    const { url, orders } = await serving(t);
    const text = `${linesOf(5)}${linesOf(5)}`;
    await runImport(url, file(t, text));
    const { code, counts } = await runImport(url, file(t, text, "moved.ndjson"));
    assert.equal(code, undefined);
    assert.deepEqual(counts, { placed: 0, repeated: 10, refused: 0, lines: 10 });
    assert.equal((await orders()).length, 10);
  });

  it("writes each refused line to a file with its number and problem, and places the rest", async (t) => {
    const { url, orders } = await serving(t);
    const bad = [
      "{",
      '{"customer":7,"number":1}',
      '{"customer":"c","number":1},"data":{"customer":"c","number":2}',
      '{"customer":"c","number":1}}',
    ];
    const notUtf8 = Buffer.concat([Buffer.from('{"customer":"'), Buffer.from([0xe9]), Buffer.from('","number":1}\n')]);
    const tooLong = `{"customer":"${"x".repeat(5_000_000)}","number":1}\n`;
    const parts = [linesOf(1), bad.join("\n"), "\n", notUtf8, tooLong, linesOf(1, 1)];
    const path = file(t, Buffer.concat(parts.map((part) => Buffer.from(part))));
    const { code, message, counts } = await runImport(url, path);
    assert.equal(code, "import_refused");
    assert.equal(message, `6 of 8 lines were refused; ${path}.refused.ndjson has each with its problem`);
    assert.deepEqual(counts, { placed: 2, repeated: 0, refused: 6, lines: 8 });
    const refused = jsonLines(`${path}.refused.ndjson`);
    assert.deepEqual(
      refused.map(({ line, problem, text }) => [line, problem.code, text]),
      [
        [2, "invalid_json", bad[0]],
        [3, "invalid_data", bad[1]],
        [4, "invalid_json", bad[2]],
        [5, "invalid_json", bad[3]],
        [6, "invalid_json", '{"customer":"\ufffd","number":1}'],
        [7, "body_too_large", ""],
      ],
    );
    assert.equal(refused[1].problem.errors[0].path, "customer");
    const numbers = (await orders()).map(({ data }) => (data as { number: number }).number);
    assert.deepEqual(numbers, [1, 0]);
  });

  it("goes on at the refused lines where they could not be written, and does not replace a device", async (t) => {
    const { url } = await serving(t);
    const path = file(t, `${linesOf(1)}{"customer":7}\n${linesOf(1, 1)}`);
    const full = `${path}.full`;
    symlinkSync("/dev/full", full);
    const first = await runImport(url, path, { refused: full });
    assert.equal(first.code, "import_unreadable");
    assert.match(first.message, /\.full cannot be written \(ENOSPC\); name another file with --refused$/);
    assert.deepEqual([readlinkSync(full), first.counts?.refused ?? 0], ["/dev/full", 0]);
    const second = await runImport(url, path);
    assert.deepEqual([second.code, second.counts?.refused], ["import_refused", 1]);
    assert.deepEqual(
      jsonLines(`${path}.refused.ndjson`).map(({ line }) => line),
      [2],
    );
    const nothing = `${path}.null`;
    symlinkSync("/dev/null", nothing);
    const third = await runImport(url, path, { refused: nothing });
    assert.deepEqual([third.code, third.counts?.refused, readlinkSync(nothing)], ["import_refused", 1, "/dev/null"]);
  });

  it("keeps the header and the line numbers of CSV where it was stopped before the first line", async (t) => {
    const header = "customer,number:number\n";
    const format = { kind: "csv", delimiter: ",", columns: undefined } as const;
    for (const headerBytes of [0, header.length]) {
      const { url, orders } = await serving(t);
      const path = file(t, `${header}ada,1\nbob,2\n`, "orders.csv");
      const stopped = await runImport(url, path, { format, stop: AbortSignal.abort("SIGINT") });
      assert.equal(stopped.code, "interrupted");
      // How many bytes were read before the stop depends on the disk.
      const progress = JSON.parse(readFileSync(`${path}.cauce-progress`, "utf8"));
      assert.equal(progress.bytes, 0);
      writeFileSync(`${path}.cauce-progress`, JSON.stringify({ ...progress, headerBytes }));
      const { counts } = await runImport(url, path, { format });
      assert.deepEqual(counts, { placed: 2, repeated: 0, refused: 0, lines: 2 });
      const again = await runImport(url, path, { format });
      assert.deepEqual(again.counts, { placed: 0, repeated: 2, refused: 0, lines: 2 });
      assert.equal((await orders()).length, 2);
    }
  });

  it("stops at an edited file, and under the same source places only new and corrected lines", async (t) => {
    const { url, orders } = await serving(t);
    const path = file(t, `{"customer":"a","number":1}\n{"customer":"b"}\n{"customer":"c","number":3}\n`);
    await runImport(url, path);
    writeFileSync(
      path,
      `{"customer":"a","number":1}\n{"customer":"b","number":2}\n{"customer":"c","number":4}\n${linesOf(1)}`,
    );
    const first = await runImport(url, path);
    assert.equal(first.code, "import_mismatch");
    assert.equal(first.counts, undefined);
    const source = /--source (\S+);/.exec(first.message)?.[1] ?? "";
    const second = await runImport(url, path, { source });
    assert.equal(second.code, "import_refused");
    assert.deepEqual(second.counts, { placed: 2, repeated: 1, refused: 1, lines: 4 });
    const [conflict] = jsonLines(`${path}.refused.ndjson`);
    assert.deepEqual([conflict.line, conflict.problem.code], [3, "idempotency_conflict"]);
    assert.equal((await orders()).length, 4);
    // A restart imports the changed file as a new one.
    writeFileSync(path, linesOf(3));
    const third = await runImport(url, path, { restart: true });
    assert.deepEqual(third.counts, { placed: 3, repeated: 0, refused: 0, lines: 3 });
  });

  it("starts again under the file's earlier keys, also without the file of refused lines", async (t) => {
    const { url, orders } = await serving(t);
    const path = file(t, `{"bad":1}\n${linesOf(2)}`);
    await runImport(url, path, { source: "mine" });
    const counts = { placed: 0, repeated: 2, refused: 1, lines: 3 };
    assert.deepEqual((await runImport(url, path, { restart: true })).counts, counts);
    assert.deepEqual((await runImport(url, path)).counts, counts);
    const progress = JSON.parse(readFileSync(`${path}.cauce-progress`, "utf8"));
    writeFileSync(
      `${path}.cauce-progress`,
      JSON.stringify({ ...progress, complete: false, repeated: 1, line: 2, bytes: 40 }),
    );
    rmSync(`${path}.refused.ndjson`);
    assert.deepEqual((await runImport(url, path)).counts, counts);
    assert.equal((await orders()).length, 2);
  });

  it("takes envelopes with their own keys, and gives a key to those without", async (t) => {
    const { url, orders } = await serving(t);
    const lines = [
      '{"idempotencyKey":"k-1","data":{"customer":"a","number":1}}',
      ' { "data" : {"customer":"a","number":2} } ',
      '{"idempotencyKey":"k-1","data":{"customer":"a","number":1}}',
      "{}",
      "[]",
    ];
    const path = file(t, lines.join("\n"));
    const { counts } = await runImport(url, path, { format: { kind: "envelopes" } });
    assert.deepEqual(counts, { placed: 2, repeated: 1, refused: 2, lines: 5 });
    const again = await runImport(url, path, { format: { kind: "envelopes" } });
    assert.deepEqual(again.counts, { placed: 0, repeated: 3, refused: 2, lines: 5 });
    assert.equal((await orders()).length, 2);
  });

  it("stops after all sent lines are answered, and goes on from there", async (t) => {
    const gate = gateAfter(12_000);
    const { url, orders } = await serving(t, gate);
    const path = file(t, `{"bad":1}\n${linesOf(20_000)}`);
    const stopping = new AbortController();
    const first = runImport(url, path, { stop: stopping.signal });
    await gate.reached;
    stopping.abort("SIGINT");
    gate.open();
    const { code, message, counts } = await first;
    assert.equal(code, "interrupted");
    assert.match(message, /^stopped after line \d+, .*the same command goes on from there$/);
    const placed = (await orders()).length;
    assert.ok(placed >= 11_999 && placed < 20_000, `${placed} orders`);
    assert.deepEqual(counts, { placed, repeated: 0, refused: 1, lines: placed + 1 });

    // A killed run may have written refused lines past its progress. They are dropped.
    appendFileSync(`${path}.refused.ndjson`, '{"line":9}\n');
    const second = await runImport(url, path);
    assert.match(second.stderr, new RegExp(`^going on after line ${placed + 1}, `));
    assert.equal(second.code, "import_refused");
    assert.deepEqual(second.counts, { placed: 20_000, repeated: 0, refused: 1, lines: 20_001 });
    assert.equal((await orders()).length, 20_000);
    assert.equal(jsonLines(`${path}.refused.ndjson`).length, 1);
  });

  it("does not go on at another address, in another format or under other keys", async (t) => {
    const gate = gateAfter(1);
    const { base, url } = await serving(t, gate);
    const path = file(t, linesOf(3));
    const stopping = new AbortController();
    const first = runImport(url, path, { stop: stopping.signal });
    await gate.reached;
    stopping.abort("SIGINT");
    gate.open();
    await first;
    const progress = `${path}.cauce-progress`;
    // The progress is that of a run that was stopped half way.
    const half = { ...JSON.parse(readFileSync(progress, "utf8")), complete: false, line: 1, bytes: 30, placed: 1 };
    writeFileSync(progress, JSON.stringify(half));
    for (const [other, options] of [
      [`${base}/others`, {}],
      [url, { source: "mine" }],
      [url, { format: { kind: "envelopes" } }],
    ] as const) {
      assert.equal((await runImport(other, path, options)).code, "import_mismatch");
    }
    writeFileSync(progress, "{");
    assert.equal((await runImport(url, path)).code, "import_unreadable");
    const restarted = await runImport(url, path, { restart: true });
    assert.deepEqual(restarted.counts, { placed: 0, repeated: 3, refused: 0, lines: 3 });
  });

  it("sends lines again that the server could not store, and counts none of them as refused", async (t) => {
    let answers = 0;
    const { url, orders } = await serving(t, {
      before: async (request) => {
        if (answers++ > 1) return request;
        if (answers === 1) return new Response("no", { status: 502 });
        const text = await request.text();
        const lines = text
          .trim()
          .split("\n")
          .map((_, at) => ({ line: at + 1, status: 503, problem: { code: "store_full", detail: "full" } }));
        return new Response(`${lines.map((line) => JSON.stringify(line)).join("\n")}\n`, {
          headers: { "content-type": "application/x-ndjson" },
        });
      },
    });
    const { code, counts, stderr } = await runImport(url, file(t, linesOf(3)));
    assert.equal(code, undefined);
    assert.deepEqual(counts, { placed: 3, repeated: 0, refused: 0, lines: 3 });
    assert.match(stderr, /full; trying again/);
    assert.equal((await orders()).length, 3);
  });

  it("goes on with the same keys when a connection breaks between lines and answers", async (t) => {
    let cuts = 2;
    const server = await serving(t, {
      before: async (request) => {
        if (cuts-- <= 0) return request;
        const answer = await server.cauce.fetch(request);
        const [first] = (await answer.text()).split("\n");
        // The server stored every line, and one answer arrives.
        return new Response(`${first}\n`, { headers: { "content-type": "application/x-ndjson" } });
      },
    });
    const { code, counts, stderr } = await runImport(server.url, file(t, linesOf(5)));
    assert.equal(code, undefined);
    assert.deepEqual(counts, { placed: 1, repeated: 4, refused: 0, lines: 5 });
    assert.match(stderr, /the answers ended early/);
    assert.equal((await server.orders()).length, 5);
  });

  it("gives up when no server answers for `retrySeconds`, and goes on later", async (t) => {
    let away = true;
    const { url } = await serving(t, {
      before: async (request) => (away ? new Response("", { status: 503 }) : request),
    });
    const path = file(t, linesOf(3));
    const first = await runImport(url, path, { retrySeconds: 0 });
    assert.equal(first.code, "unreachable");
    assert.equal(first.counts, undefined);
    away = false;
    assert.deepEqual((await runImport(url, path)).counts, { placed: 3, repeated: 0, refused: 0, lines: 3 });
    assert.equal(
      (await runImport("http://127.0.0.1:1/parked", path, { restart: true, retrySeconds: 0 })).code,
      "unreachable",
    );
  });

  it("ends at once where the server refuses the whole request", async (t) => {
    const { key, sha256 } = createKey();
    const { base, url } = await serving(t, { auth: { keys: [{ name: "shop", role: "intake", sha256 }] } });
    const path = file(t, linesOf(100_000));
    assert.equal((await runImport(url, path)).code, "unauthorized");
    assert.equal((await runImport(`${base}/others`, path, { key })).code, "workflow_not_found");
    assert.equal((await runImport(url, file(t, linesOf(2)), { key })).code, undefined);
    const { url: other } = await serving(t, { before: async () => new Response("<html>") });
    assert.equal((await runImport(other, path)).code, "unexpected_answer");
    assert.equal(existsSync(`${path}.cauce-progress`), false);
  });

  it("keeps no progress of a stream, and recognizes a stream's lines again only under a source", async (t) => {
    const { url, orders } = await serving(t);
    const where = dirname(file(t, ""));
    const stream = () => ({
      stdin: Readable.from([Buffer.from(linesOf(3).slice(0, 40)), Buffer.from(linesOf(3).slice(40))]),
      refused: join(where, "refused"),
    });
    const first = await runImport(url, "-", stream());
    assert.deepEqual(first.counts, { placed: 3, repeated: 0, refused: 0, lines: 3 });
    assert.match(first.stderr, /^a stream cannot be resumed/);
    await runImport(url, "-", stream());
    assert.equal((await orders()).length, 6);
    const named = await runImport(url, "-", { ...stream(), source: "monday" });
    assert.deepEqual([named.counts?.placed, named.stderr], [3, ""]);
    assert.equal((await runImport(url, "-", { ...stream(), source: "monday" })).counts?.repeated, 3);
    assert.equal(existsSync("stdin.cauce-progress"), false);
  });

  it("sends a line of a slow stream before the next one comes", async (t) => {
    const { url, orders } = await serving(t);
    const first = Promise.withResolvers<void>();
    const stdin = Readable.from(
      (async function* () {
        yield Buffer.from(linesOf(1));
        await first.promise;
        yield Buffer.from(linesOf(1, 1));
      })(),
    );
    const importing = runImport(url, "-", { stdin });
    while ((await orders()).length === 0);
    first.resolve();
    assert.equal((await importing).counts?.placed, 2);
  });

  it("stops while it waits for a stream", async (t) => {
    const { url, orders } = await serving(t);
    const stdin = new Readable({ read() {} });
    stdin.push(linesOf(1));
    const stopping = new AbortController();
    const importing = runImport(url, "-", { stdin, stop: stopping.signal });
    while ((await orders()).length === 0);
    stopping.abort("SIGTERM");
    const { code, message } = await importing;
    assert.deepEqual([code, message.split("; ")[1]], ["interrupted", "to go on, leave out the lines up to that one"]);
    assert.equal(stdin.destroyed, true);
  });

  it("refuses a path that is no file, and one file for two purposes", async (t) => {
    const path = file(t, linesOf(1));
    const { url } = await serving(t);
    const wrong = async (given: string, options: object, code: string, message: RegExp) => {
      const failed = await runImport(url, given, options);
      assert.equal(failed.code, code);
      assert.match(failed.message, message);
    };
    await wrong(`${path}x`, {}, "import_unreadable", /there is no such file; check the path/);
    await wrong(dirname(path), {}, "import_unreadable", /is a directory/);
    await wrong(path, { refused: path }, "setting_invalid", /three different files/);
    await wrong(
      path,
      { progress: join(dirname(path), "missing", "x") },
      "import_unreadable",
      /cannot be written.*--progress/,
    );
    await wrong(path, { refused: dirname(path), restart: true }, "import_unreadable", /cannot be written.*--refused/);
  });

  it("draws a bar on a terminal", async (t) => {
    const { url } = await serving(t);
    let drawn = "";
    const terminal = Object.assign(
      new Writable({
        write(chunk, _encoding, done) {
          drawn += chunk;
          done();
        },
      }),
      { isTTY: true, columns: 120 },
    ) as unknown as NodeJS.WriteStream;
    const path = file(t, linesOf(10));
    const { stderr } = await runImport(url, path, { terminal });
    assert.equal(stderr, "");
    assert.match(drawn, /░ 0 % \| 0 lines/);
    assert.match(drawn, /█ 100 % \| 10 lines, 0 refused \| [\d,]+ a second \| 0 s left/);
  });
});
