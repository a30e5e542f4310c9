import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { describe, it, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import type { Evidence, StoredRow, VisitMade } from "../../scripts/crash/evidence.ts";
import type { Run } from "../../scripts/crash/handlerLog.ts";
import { judge } from "../../scripts/crash/judge.ts";
import { seededRandom } from "../../scripts/crash/random.ts";
import { proveSynced, readCalls } from "../../scripts/crash/traceLog.ts";

const script = fileURLToPath(new URL("../../scripts/crash.ts", import.meta.url));

async function runScript(t: TestContext, args: readonly string[]) {
  const child = spawn(process.execPath, ["--conditions=source", script, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  // At SIGTERM the script ends its server before itself.
  t.after(() => void child.kill("SIGTERM"));
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  return { stdout, stderr, code: code as number | null };
}

describe("npm run crash", { concurrency: 2 }, () => {
  for (const delivery of ["standard", "fifo"]) {
    it(`loses nothing and applies nothing twice over 3 kills, ${delivery} delivery`, async (t) => {
      const { stdout, stderr, code } = await runScript(t, ["--kills", "3", "--delivery", delivery, "--json"]);
      const said = `${stderr}${stdout}`;
      const last = String(stdout.trimEnd().split("\n").at(-1));
      assert.match(stdout, /^3 kills: \d+ orders acknowledged, 0 lost, 0 applied twice$/m, said);
      assert.match(last, /^\{"kills":3,"acknowledged":\d+,"lost":0,"appliedTwice":0,"handlerRepeats":\d+\}$/, said);
      // Each kill, except those during a start, comes after acknowledgements, and more follow the last kill.
      assert.ok((JSON.parse(last) as { acknowledged: number }).acknowledged >= 40, said);
      assert.equal(code, 0, said);
    });
  }

  it("refuses what its flags do not take", async (t) => {
    for (const args of [
      ["--kills", "x"],
      ["--delivery", "lifo"],
      ["--seed", "-1"],
      ["--kill", "3"],
    ]) {
      const { stderr, stdout, code } = await runScript(t, args);
      assert.equal(code, 2, args.join(" "));
      assert.equal(stdout, "");
      assert.match(stderr, /Usage: npm run crash/);
    }
  });
});

describe("seededRandom", () => {
  it("repeats its numbers for a seed, and lies between 0 and 1", () => {
    const draw = (seed: string) => Array.from({ length: 200 }, seededRandom(seed));
    assert.deepEqual(draw("1"), draw("1"));
    assert.notDeepEqual(draw("1"), draw("2"));
    assert.ok(draw("3").every((number) => number >= 0 && number < 1));
    assert.equal(new Set(draw("4")).size, 200);
  });
});

describe("judge", () => {
  const row = (id: string, attempts: readonly number[] = [1, 1, 1], fields: Partial<StoredRow> = {}): StoredRow => {
    const statuses = ["received", "checked", "packed"];
    const history = statuses.map((status, visit) => ({ status, visit, attempts: attempts[visit] ?? 1 }));
    const version = 1 + history.reduce((sum, made) => sum + made.attempts, 0);
    const last = { status: "sent", visit: 3, attempts: 0 };
    const base = { ref: `ref ${id}`, group: "g", flaky: false, status: "sent", visit: 3, version, failed: false };
    return { id, ...base, history: [...history, last], ...fields };
  };
  const visitsOf = ({ history }: StoredRow) => history as readonly [VisitMade, VisitMade, VisitMade, VisitMade];
  const runsOf = ({ id, history }: StoredRow): Run[] =>
    history
      .slice(0, -1)
      .flatMap(({ visit, attempts }) =>
        Array.from({ length: attempts }, (_, index) => ({ id, visit, attempt: index + 1, life: 1 })),
      );
  const acknowledgementOf = ({ id, ref, group }: StoredRow) => ({
    id,
    wanted: { ref, client: 0, group, flaky: false, key: `key ${ref}` },
  });
  const orderOf = ({ ref, status, version, history, failed }: StoredRow) => {
    const failure = failed ? { code: "worker_lost", message: "m", fingerprint: "m", at: "" } : null;
    return { data: { ref }, status, version, history, failure };
  };
  /** Makes the evidence of a flawless run, with the given fields changed. */
  const evidence = (rows: readonly StoredRow[], fields: Partial<Evidence> = {}): Evidence => ({
    delivery: "fifo",
    acknowledgements: rows.map(acknowledgementOf),
    answers: new Map(rows.map((each) => [each.id, orderOf(each)])) as unknown as Evidence["answers"],
    rows,
    runs: rows.flatMap(runsOf),
    ...fields,
  });
  const [a, b] = [row("a"), row("b", [1, 3, 1], { flaky: true })];
  const counts = (lost: number, appliedTwice: number, found: Evidence) => {
    const verdict = judge(found);
    assert.deepEqual([verdict.lost, verdict.appliedTwice], [lost, appliedTwice], verdict.faults.join("\n"));
    assert.ok(verdict.faults.length > 0);
  };

  it("finds no fault in a correct run, and counts repeats", () => {
    const repeated = row("c", [2, 1, 1]);
    assert.deepEqual(judge(evidence([a, b, repeated])), {
      acknowledged: 3,
      lost: 0,
      appliedTwice: 0,
      handlerRepeats: 3,
      repeatsAfterDeath: 1,
      faults: [],
    });
  });

  it("finds an acknowledged order that is missing, unfinished, failed, or stored as another one", () => {
    counts(1, 0, { ...evidence([a]), acknowledgements: [a, b].map(acknowledgementOf) });
    const [received, checked] = visitsOf(a);
    const unfinished = { status: "checked", visit: 1, version: 3, history: [received, { ...checked, attempts: 2 }] };
    counts(1, 0, evidence([{ ...a, ...unfinished }], { runs: runsOf({ ...a, history: [received, checked] }) }));
    counts(1, 0, evidence([row("a", [], { failed: true })]));
    counts(1, 0, {
      ...evidence([a]),
      answers: new Map([["a", orderOf({ ...a, ref: "other" })]]) as unknown as Evidence["answers"],
    });
  });

  it("finds a visit that was made twice, a commit too many, a wrong path, and an answer that differs from the store", () => {
    const [first, second, third, last] = visitsOf(a);
    counts(0, 1, evidence([{ ...a, version: 5, history: [first, second, second, third, last] }]));
    counts(0, 1, evidence([{ ...a, version: 5 }]));
    counts(0, 1, evidence([{ ...a, version: 3 }]));
    counts(
      0,
      1,
      evidence([{ ...a, version: 3, visit: 2, history: [first, { ...third, visit: 1 }, { ...last, visit: 2 }] }]),
    );
    counts(0, 1, { ...evidence([a]), rows: [row("a", [2, 1, 1])], runs: runsOf(row("a", [2, 1, 1])) });
  });

  it("finds two orders for one key, stored or acknowledged", () => {
    counts(0, 1, { ...evidence([a, { ...b, ref: a.ref }]), acknowledgements: [acknowledgementOf(a)] });
    counts(0, 1, evidence([a, { ...b, ref: a.ref }]));
  });

  it("finds an attempt that one process ran twice, that never ran, or whose order is missing", () => {
    const [run] = runsOf(a) as [Run];
    counts(0, 0, evidence([a], { runs: [...runsOf(a), run] }));
    // A later process may run it again.
    assert.deepEqual(
      judge(evidence([a], { runs: [run, ...runsOf(a).map((each) => ({ ...each, life: 2 }))] })).faults,
      [],
    );
    counts(0, 0, evidence([a], { runs: runsOf(a).slice(1) }));
    counts(0, 0, evidence([a], { runs: [...runsOf(a), { ...run, id: "z" }] }));
  });

  it("finds an unfinished stored order that was never acknowledged", () => {
    counts(0, 0, evidence([row("a", [], { failed: true })], { acknowledgements: [], answers: new Map() }));
  });

  it("finds a group out of order, in FIFO delivery alone", () => {
    const interleaved = [runsOf(b), runsOf(a)].flat();
    counts(0, 0, evidence([a, b], { runs: interleaved }));
    counts(0, 0, evidence([a, b], { acknowledgements: [b, a].map(acknowledgementOf) }));
    const [first, ...rest] = runsOf(b) as [Run, ...Run[]];
    const between = [first, { ...first, id: "a" }, ...rest, ...runsOf(a).slice(1)];
    counts(0, 0, evidence([a, b], { runs: between }));
    assert.deepEqual(judge(evidence([a, b], { runs: interleaved, delivery: "standard" })).faults, []);
    const other = { ...b, group: "h" };
    assert.deepEqual(judge(evidence([a, other], { runs: interleaved })).faults, []);
  });
});

describe("proveSynced", () => {
  const ids = ["01a20bba-3841-7000-8f05-1f6636b766d5", "01a20bba-3843-7000-bdfc-d7a103738963"] as const;
  const wal = "29</data/crash.db-wal>";
  const header = (commits: boolean) =>
    `14 pwrite64(${wal}, "\\0\\0\\0\\3\\0\\0\\0${commits ? "\\20" : "\\0"}\\1mc$*\\2203\\21\\237J\\"uG\\257Y\\231", 24, 4152) = 24`;
  const page = (id: string) => `14 pwrite64(${wal}, "\\r\\r\\202\\0${id}received", 4096, 4176) = 4096`;
  const [syncBegins, syncReturns] = [`14 fsync(${wal} <unfinished ...>`, "14 <... fsync resumed>)              = 0"];
  const sync = `14 fsync(${wal})  = 0`;
  const answer = (id: string) =>
    `7 write(36<socket:[149404]>, "HTTP/1.1 202 Accepted\\r\\nLocation: /crash/${id}\\r\\n\\r\\n{\\"id\\":\\"${id}\\"}", 739) = 739`;
  const [first, second] = [page(ids[0]), page(ids[1])];
  const faults = (...lines: string[]) => proveSynced(readCalls(lines)).faults.length;

  it("accepts an answer after the sync of its whole batch", () => {
    const lines = [header(false), first, header(true), second, syncBegins, syncReturns, answer(ids[0]), answer(ids[1])];
    const proof = proveSynced(readCalls(lines));
    assert.deepEqual(proof, { answered: new Set(ids), syncs: 1, faults: [] });
  });

  it("finds an answer before the sync, during it, or after a failed one", () => {
    assert.equal(faults(header(true), first, answer(ids[0]), sync), 1);
    assert.equal(faults(header(true), first, syncBegins, answer(ids[0]), syncReturns), 1);
    assert.equal(faults(header(true), first, `14 fsync(${wal}) = -1 EIO (Input/output error)`, answer(ids[0])), 1);
    assert.equal(faults(header(true), first, "14 fsync(28</data/crash.db>) = 0", answer(ids[0])), 1);
  });

  it("finds an answer after a sync that began before the batch was whole", () => {
    assert.equal(faults(header(false), first, sync, header(true), second, answer(ids[0])), 1);
    assert.equal(faults(sync, header(true), first, answer(ids[0])), 1);
  });

  it("finds an answer whose order is not in the log", () => {
    assert.equal(faults(header(true), first, sync, answer(ids[1])), 1);
  });

  it("reads answers that are written in several parts", () => {
    const parts = `7 writev(36<socket:[1]>, [{iov_base="HTTP/1.1 202 Accepted\\r\\nlocation: /crash/${ids[0]}\\r\\n", iov_len=90}, {iov_base="{}", iov_len=2}], 2) = 92`;
    assert.equal(faults(header(true), first, parts, sync), 1);
    assert.equal(faults(header(true), first, sync, parts), 0);
  });
});
