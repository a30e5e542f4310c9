import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { createClient, type Queue } from "cauce/http";
import { json, type parcels, served, stub } from "../../client/support.ts";
import { rowsOf, run } from "./support.ts";

async function parcelsServed(t: TestContext) {
  const { url } = await served(t);
  return { url, client: createClient<typeof parcels>({ url: `${url}/parcels` }) };
}

const never = "01990000-0000-7000-8000-000000000000";

describe("cauce show", () => {
  it("shows an order and one row for each visit", async (t) => {
    const { url, client } = await parcelsServed(t);
    const { order } = await client.place({ to: "Ada\u001b[2J\u009b" }, { requestId: "r-1" });
    await client.waitFor(order.id, "held");
    await client.transition(order.id, { to: "sent", reason: "collected\nby Bo" });
    const { exit, stdout, stderr } = await run(url, ["show", order.id]);
    assert.deepEqual([exit, stderr], [0, ""]);
    const [facts = "", timeline = ""] = stdout.split("\n\n");
    assert.match(facts, new RegExp(`^order {7}${order.id}\nworkflow {4}parcels\nstatus {6}sent \\(final\\)\n`));
    assert.match(facts, /^data {8}\{"to":"Ada\\u001b\[2J ","kilograms":1\}$/m);
    const rows = rowsOf(timeline);
    assert.deepEqual(
      rows.map(([visit, status]) => [visit, status]),
      [
        ["0", "received"],
        ["1", "held"],
        ["2", "sent"],
      ],
    );
    assert.match(rows[0]?.join("|") ?? "", /^0\|received\|\d{4}-\S+Z\|[\d.]+ m?s\|1\|node \S+ \(r-1\)$/);
    // A final visit does not end.
    assert.match(rows[2]?.join("|") ?? "", /^2\|sent\|\d{4}-\S+Z\|0\|node \S+\|collected by Bo$/);
    assert.doesNotMatch(stdout, /[^\P{Cc}\n]/u);
  });

  it("shows what failed, and colours it on a terminal alone", async (t) => {
    const { url, client } = await parcelsServed(t);
    const { order } = await client.place({ to: "BAD 1" });
    await assert.rejects(client.waitFor(order.id, "held"));
    const plain = await run(url, ["show", order.id]);
    assert.match(plain.stdout, /^status {6}received \(failed\)$/m);
    assert.match(plain.stdout, /^failure {5}handler_failed: no street BAD 1, at \d{4}-/m);
    const coloured = await run(url, ["show", order.id], { colours: true });
    assert.ok(coloured.stdout.includes("\u001b[31mfailed\u001b[39m"));
    assert.match(stripVTControlCharacters(coloured.stdout), /\(failed\)/);
  });

  it("prints the order as JSON, and says when there is no such order", async (t) => {
    const { url, client } = await parcelsServed(t);
    const { order } = await client.place({ to: "nowhere" });
    await client.waitFor(order.id, "returned");
    const { stdout } = await run(url, ["show", order.id, "--json"]);
    assert.deepEqual(JSON.parse(stdout), await client.get(order.id));
    assert.deepEqual(await run(url, ["show", never]), {
      exit: 1,
      stdout: "",
      stderr: `order_not_found: no order has the id "${never}"; check the id\n`,
    });
  });

  it("prints how many visits the history leaves out, and what holds an order back", async (t) => {
    const visit = (number: number) => ({
      status: "paid",
      visit: number,
      at: "2026-11-24T00:00:00.000Z",
      attempts: 1,
      reason: null,
      error: null,
      by: { runtime: "node", name: "h", requestId: null, messageId: null },
    });
    const order = {
      ...{
        id: "o-1",
        workflow: "orders",
        status: "paid",
        failure: null,
        group: null,
        createdAt: "",
        data: {},
        results: {},
      },
      ...{ notBefore: "2026-11-24T00:01:00.000Z", expiresAt: null, history: [visit(0), visit(90)], historyOmitted: 89 },
    };
    const queue = { status: "paid", kind: "handled", paused: true };
    const { url } = await stub(t, (request, response) =>
      json(response, 200, request.url === "/queues" ? { workflows: [{ workflow: "orders", queues: [queue] }] } : order),
    );
    const { stdout } = await run(url, ["show", "o-1"]);
    assert.match(stdout, /^status {6}paid \(handled, paused\)$/m);
    assert.match(stdout, /^not before {2}2026-11-24T00:01:00\.000Z$/m);
    assert.deepEqual(
      rowsOf(stdout.split("\n\n")[1] ?? "").map(([number, status]) => [number, status]),
      [
        ["0", "paid"],
        ["…", "89 left out"],
        ["90", "paid"],
      ],
    );
  });
});

describe("cauce list", () => {
  it("lists the newest matching orders, and says that there are more", async (t) => {
    const { url, client } = await parcelsServed(t);
    const place = async (to: string) => {
      const { order } = await client.place({ to });
      await client.waitFor(order.id, ["held", "returned"]).catch(() => {});
      return order.id;
    };
    const ids = [await place("Ada"), await place("BAD 1"), await place("Bo"), await place("nowhere")];
    const [ada, bad, bo, nowhere] = ids;
    const listed = async (...args: string[]) => rowsOf((await run(url, ["list", ...args])).stdout).map(([id]) => id);
    assert.deepEqual(await listed(), ids.toReversed());
    assert.deepEqual(await listed("--status", "held"), [bo, ada]);
    assert.deepEqual(await listed("--group", "Ada"), [ada]);
    assert.deepEqual(await listed("--failed"), [bad]);
    const first = await run(url, ["list", "--limit", "1"]);
    assert.deepEqual(
      rowsOf(first.stdout).map(([id, status]) => [id, status]),
      [[nowhere, "returned"]],
    );
    assert.equal(first.stderr, "The newest 1 order; --all shows every one.\n");
    const lines = (await run(url, ["list", "--json", "--limit", "3"])).stdout.trimEnd().split("\n");
    assert.deepEqual(
      lines.map((line) => JSON.parse(line).id),
      [nowhere, bo, bad],
    );
    assert.deepEqual(await run(url, ["list", "--status", "sent"]), {
      exit: 0,
      stdout: "",
      stderr: "No order matches.\n",
    });
    assert.equal((await run(url, ["list", "--status", "sent", "--json"])).stderr, "");
    assert.match((await run(url, ["list", "--failed"])).stdout, /no street BAD 1$/m);
  });

  it("reads every page with --all, until its reader leaves", async (t) => {
    const { url, cauce } = await served(t);
    for (let at = 0; at < 450; at++) await cauce.place("parcels", { to: "Ada" });
    const all = await run(url, ["list", "--all", "--json"]);
    assert.equal(new Set(all.stdout.trimEnd().split("\n")).size, 450);
    const closing = new AbortController();
    const broken = Object.assign(new Error("write EPIPE"), { code: "EPIPE" });
    const onOut = () => closing.abort(broken);
    const cutOff = await run(url, ["list", "--all", "--json"], { closed: closing.signal, onOut });
    assert.deepEqual([cutOff.exit, cutOff.stderr, cutOff.stdout.trimEnd().split("\n").length], [0, "", 200]);
  });

  it("refuses a limit outside 1 to 1,000, and one beside --all", async () => {
    for (const limit of ["0", "1001", "1.5", "x"]) {
      const { exit, stderr } = await run("http://127.0.0.1:1", ["list", "--limit", limit]);
      assert.deepEqual(
        [exit, stderr],
        [2, `setting_invalid: --limit must be a whole number from 1 to 1000, not "${limit}"\n`],
      );
    }
    const { exit, stderr } = await run("http://127.0.0.1:1", ["list", "--limit", "5", "--all"]);
    assert.deepEqual([exit, stderr], [2, "setting_invalid: --limit and --all exclude each other; keep one of them\n"]);
  });
});

describe("cauce queues", () => {
  const row = (more: Partial<Queue>) => ({
    ...{
      status: "paid",
      kind: "handled",
      waiting: 0,
      inFlight: 0,
      delayed: 0,
      failed: 0,
      atLeast: false,
      paused: false,
    },
    ...more,
  });
  const workflows = [
    {
      workflow: "orders",
      queues: [row({ waiting: 12, paused: true }), row({ status: "held", kind: "waiting", failed: 3 })],
    },
    { workflow: "claims", queues: [row({ status: "filed", waiting: 100, atLeast: true })] },
  ];
  const queued = (t: TestContext) => stub(t, (_request, response) => json(response, 200, { workflows }));

  it("shows every workflow, or the one that --workflow names", async (t) => {
    const { url } = await queued(t);
    const { exit, stdout } = await run(url, ["queues"]);
    assert.equal(exit, 0);
    assert.equal(
      stdout,
      `workflow  status  kind     waiting  in flight  delayed  failed
orders    paid    handled       12          0        0       0  paused
orders    held    waiting        0          0        0       3
claims    filed   handled    ≥ 100          0        0       0
`,
    );
    assert.deepEqual(rowsOf((await run(url, ["queues", "--workflow", "claims"])).stdout).length, 1);
    const lines = (await run(url, ["queues", "--json"])).stdout.trimEnd().split("\n");
    assert.deepEqual(JSON.parse(lines[0] ?? ""), { workflow: "orders", ...workflows[0]?.queues[0] });
    assert.equal(lines.length, 3);
    assert.deepEqual(await run(url, ["queues", "--workflow", "others"]), {
      exit: 1,
      stdout: "",
      stderr: `workflow_not_found: no workflow "others" is served at ${url}; there is orders, claims\n`,
    });
  });

  it("prints table after table where there is no terminal, and survives a restart of the server", async (t) => {
    let round = 0;
    const { url } = await stub(t, (request, response) => {
      if (++round === 2) request.socket.destroy();
      else if (round > 2 && round < 5) request.socket.destroy();
      else json(response, 200, { workflows });
    });
    const closing = new AbortController();
    const onOut = (text: string) => {
      if (text.split("workflow").length > 2) closing.abort(Object.assign(new Error("gone"), { code: "EPIPE" }));
    };
    const { exit, stdout, stderr } = await run(url, ["queues", "--watch", "0.01"], { closed: closing.signal, onOut });
    assert.equal(exit, 0);
    assert.equal(stdout.match(/^workflow/gm)?.length, 2);
    assert.match(stderr, /^unreachable: cannot reach [^\n]+\n$/);
    assert.ok(!stdout.includes("\u001b"));
  });

  it("draws over the last table on a terminal", async (t) => {
    const { url } = await queued(t);
    const closing = new AbortController();
    const onOut = (text: string) => {
      if (text.split("workflow").length > 2) closing.abort(Object.assign(new Error("gone"), { code: "EPIPE" }));
    };
    const options = { closed: closing.signal, onOut, terminal: true };
    const { stdout } = await run(url, ["queues", "--watch", "0.01"], options);
    assert.equal(stdout.split("\x1b[H").length, 3);
    assert.ok(stdout.includes(`${url}, every 0.01 s; Ctrl+C ends\x1b[K\n`));
    const wrong = await run(url, ["queues", "--watch", "0"]);
    assert.deepEqual(
      [wrong.exit, wrong.stderr],
      [2, 'setting_invalid: --watch takes seconds above 0 and up to 3600, not "0"\n'],
    );
  });
});

describe("cauce failures", () => {
  it("shows each group with the fingerprint that retry takes", async (t) => {
    const { url, client } = await parcelsServed(t);
    assert.deepEqual(await run(url, ["failures"]), { exit: 0, stdout: "", stderr: "No order has failed.\n" });
    for (const to of ["BAD 1", "BAD 2"]) {
      const { order } = await client.place({ to });
      await assert.rejects(client.waitFor(order.id, "held"));
    }
    const { stdout } = await run(url, ["failures"]);
    const [[count, status, , , fingerprint, message] = []] = rowsOf(stdout);
    assert.deepEqual([count, status, fingerprint, message], ["2", "received", "no street BAD …", "no street BAD 2"]);
    assert.equal(JSON.parse((await run(url, ["failures", "--json"])).stdout).count, 2);
  });
});
