import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { createClient } from "cauce/http";
import { createKey, parseKeys } from "../../../src/http/auth.ts";
import { json, type parcels, parcelsApp, problem, served, stub } from "../../client/support.ts";
import { temporaryDirectory } from "../support.ts";
import { run } from "./support.ts";

/** Starts a server whose parcels to these destinations have failed. */
async function failing(t: TestContext, ...destinations: string[]) {
  const { url, cauce } = await served(t);
  const client = createClient<typeof parcels>({ url: `${url}/parcels` });
  const ids: string[] = [];
  for (const to of destinations) {
    const { order } = await client.place({ to });
    await assert.rejects(client.waitFor(order.id, "sent"), { code: "order_failed" });
    ids.push(order.id);
  }
  // The server handles no order from here on, so retried orders do not fail again.
  await cauce.drain();
  const failed = async () => (await client.failures()).reduce((sum, { count }) => sum + count, 0);
  return { url, ids, failed };
}

describe("cauce place", () => {
  it("takes data as an argument, from a file and from standard input", async (t) => {
    const { url, cauce } = await served(t);
    const file = join(temporaryDirectory(t), "parcel.json");
    // Some editors put a byte order mark before the text.
    writeFileSync(file, '\ufeff{"to":"Bo"}\n');
    const input = async () => '{"to":"Cy"}';
    for (const args of [['{"to":"Ada"}'], ["--file", file], ["-"]]) {
      const { exit, stdout, stderr } = await run(url, ["place", ...args], { input });
      assert.deepEqual([exit, stderr], [0, ""]);
      assert.match(stdout, /^placed [0-9a-f-]{36}\n$/);
    }
    const { items } = await cauce.list("parcels");
    assert.deepEqual(items.map(({ data }) => (data as { to: string }).to).sort(), ["Ada", "Bo", "Cy"]);
  });

  it("places once with an idempotency key", async (t) => {
    const { url } = await served(t);
    const place = (...args: string[]) => run(url, ["place", '{"to":"Ada"}', "--idempotency-key", "k-1", ...args]);
    const [, id] = /^placed (\S+)\n$/.exec((await place()).stdout) ?? [];
    assert.match((await place()).stdout, new RegExp(`^placed before: ${id}, which stands in \\w+\n$`));
    const { placed, order } = JSON.parse((await place("--json")).stdout);
    assert.deepEqual([placed, order.id], [false, id]);
    const other = await run(url, ["place", '{"to":"Bo"}', "--idempotency-key", "k-1"]);
    assert.equal(other.exit, 1);
    assert.match(other.stderr, /^idempotency_conflict: [^\n]+\n$/);
  });

  it("refuses data that is no JSON in one line", async (t) => {
    const { url } = await served(t);
    const file = join(temporaryDirectory(t), "parcel.json");
    writeFileSync(file, "{");
    const refused = async (exit: number, stderr: RegExp, ...args: string[]) => {
      const ran = await run(url, ["place", ...args], { input: async () => "" });
      assert.deepEqual([ran.exit, ran.stdout], [exit, ""]);
      assert.match(ran.stderr, stderr);
      assert.match(ran.stderr, /^[^\n]+\n$/);
    };
    await refused(2, /^setting_invalid: give the order's data either/);
    await refused(2, /^setting_invalid: give the order's data either/, "{}", "--file", file);
    await refused(2, /^setting_invalid: DATA is not JSON: /, "{to}");
    await refused(2, /^setting_invalid: --file \/none cannot be read \(ENOENT\)/, "--file", "/none");
    await refused(1, /^invalid_json: .*parcel\.json is not JSON/, "--file", file);
    await refused(1, /^invalid_json: standard input is not JSON/, "-");
    await refused(1, /^invalid_data: the data does not fit the schema: to: /, "{}");
  });
});

describe("cauce retry", () => {
  it("retries one order", async (t) => {
    const { url, ids, failed } = await failing(t, "BAD 1", "BAD 2");
    const [id = ""] = ids;
    assert.deepEqual(await run(url, ["retry", id]), {
      exit: 0,
      stdout: `retried ${id}, which stands in received\n`,
      stderr: "",
    });
    assert.equal(await failed(), 1);
    const again = await run(url, ["retry", id]);
    assert.equal(again.exit, 1);
    assert.match(again.stderr, /^not_failed: /);
    const { failure } = JSON.parse((await run(url, ["retry", ids[1] ?? "", "--json"])).stdout);
    assert.equal(failure, null);
  });

  it("says how many orders it would retry, and asks", async (t) => {
    const { url, failed } = await failing(t, "BAD 1", "BAD 2", "BADLY named");
    const asked: string[] = [];
    const answering = (answer: string) => ({
      ask: async (question: string) => {
        asked.push(question);
        return answer;
      },
    });
    const fingerprint = ["retry", "--fingerprint", "no street BAD …"];
    assert.deepEqual(await run(url, fingerprint, answering("")), {
      exit: 0,
      stdout: "",
      stderr: "Nothing was changed.\n",
    });
    assert.equal(await failed(), 3);
    assert.deepEqual(await run(url, fingerprint, answering("y")), {
      exit: 0,
      stdout: "retried 2 orders\n",
      stderr: "",
    });
    assert.deepEqual(asked, Array(2).fill("Retry 2 failed orders in received? [y/N] "));
    assert.equal(await failed(), 1);
    assert.equal((await run(url, ["retry", "--status", "held", "--yes"])).stderr, "No failed order matches.\n");
    assert.deepEqual(JSON.parse((await run(url, ["retry", "--all", "--yes", "--json"])).stdout), { retried: 1 });
    assert.equal(await failed(), 0);
  });

  it("refuses to retry many without a terminal or --yes, and without a word on which orders", async (t) => {
    const { url, failed } = await failing(t, "BAD 1");
    assert.deepEqual(await run(url, ["retry", "--all"]), {
      exit: 2,
      stdout: "",
      stderr:
        "setting_invalid: Retry 1 failed order in received: without a terminal there is no way to ask; give --yes to do it\n",
    });
    for (const args of [[], ["ID", "--all"], ["--all", "--status", "held"], ["ID", "--fingerprint", "x"]]) {
      const { exit, stderr } = await run(url, ["retry", ...args]);
      assert.equal(exit, 2, args.join(" "));
      assert.match(stderr, /^setting_invalid: say what to retry, in one way alone: [^\n]+\n$/);
    }
    assert.equal(await failed(), 1);
  });
});

describe("cauce transition", () => {
  it("moves an order with a reason and results", async (t) => {
    const { url, cauce } = await served(t);
    const client = createClient<typeof parcels>({ url: `${url}/parcels` });
    const { order } = await client.place({ to: "Ada" });
    const { version } = await client.waitFor(order.id, "held");
    const stale = await run(url, ["transition", order.id, "sent", "--expected-version", "1"]);
    assert.equal(stale.exit, 1);
    assert.match(stale.stderr, /^stale: /);
    const args = ["--reason", "by phone", "--results", '{"weighed":true}', "--expected-version", String(version)];
    assert.deepEqual(await run(url, ["transition", order.id, "sent", ...args, "--idempotency-key", "t-1"]), {
      exit: 0,
      stdout: `moved ${order.id}, which stands in sent\n`,
      stderr: "",
    });
    const moved = await cauce.get("parcels", order.id);
    assert.deepEqual([moved?.results, moved?.history.at(-1)?.reason], [{ label: "L-Ada", weighed: true }, "by phone"]);
    const repeated = await run(url, ["transition", order.id, "sent", ...args, "--idempotency-key", "t-1", "--json"]);
    assert.equal(JSON.parse(repeated.stdout).version, moved?.version);
  });

  it("refuses flags that it does not take", async () => {
    for (const [flag, value, message] of [
      ["--results", "{", /^setting_invalid: --results is not JSON/],
      ["--results", "[]", /^setting_invalid: --results must be an object/],
      ["--expected-version", "-1", /^setting_invalid: --expected-version must be a whole number, not "-1"/],
    ] as const) {
      const { exit, stderr } = await run("http://127.0.0.1:1", ["transition", "ID", "sent", flag, value]);
      assert.equal(exit, 2);
      assert.match(stderr, message);
    }
  });
});

describe("cauce pause, resume and remove", () => {
  const order = { id: "o-1", status: "shipped", createdAt: "2026-11-24T00:00:00.000Z" };
  const queue = { status: "paid", kind: "handled", waiting: 4 };
  const operated = (t: TestContext) =>
    stub(t, (request, response) => {
      const line = `${request.method} ${request.url}`;
      if (line === "GET /queues") return json(response, 200, { workflows: [{ workflow: "orders", queues: [] }] });
      if (line === "GET /orders/o-1") return json(response, 200, order);
      if (line === "DELETE /orders/o-1") return void response.writeHead(204).end();
      const [, status, verb] = /^POST \/orders\/queues\/(\w+)\/(\w+)$/.exec(line) ?? [];
      if (status === "paid") return json(response, 200, { ...queue, paused: verb === "pause" });
      problem(response, 404, status === undefined ? "order_not_found" : "status_not_found");
    });

  it("pause and resume print how many orders wait", async (t) => {
    const { url } = await operated(t);
    assert.equal((await run(url, ["pause", "paid"])).stdout, "paid is paused: 4 orders waiting\n");
    assert.equal((await run(url, ["resume", "paid"])).stdout, "paid is handled again: 4 orders waiting\n");
    assert.deepEqual(JSON.parse((await run(url, ["pause", "paid", "--json"])).stdout), { ...queue, paused: true });
    assert.deepEqual(await run(url, ["pause", "nowhere"]), {
      exit: 1,
      stdout: "",
      stderr: "status_not_found: no: status_not_found\n",
    });
  });

  it("remove asks before it erases", async (t) => {
    const { url, asked } = await operated(t);
    const question = "Remove order o-1 (shipped, placed 2026-11-24T00:00:00.000Z) for good";
    const refused = await run(url, ["remove", "o-1"]);
    assert.equal(refused.exit, 2);
    assert.match(refused.stderr, /^setting_invalid: .*give --yes to do it\n$/);
    const questions: string[] = [];
    const ask = (answer: string) => async (text: string) => {
      questions.push(text);
      return answer;
    };
    assert.equal((await run(url, ["remove", "o-1"], { ask: ask("n") })).stderr, "Nothing was changed.\n");
    assert.ok(asked.every(({ line }) => !line.startsWith("DELETE")));
    assert.equal((await run(url, ["remove", "o-1"], { ask: ask("yes") })).stdout, "removed o-1\n");
    assert.deepEqual(questions, [`${question}? [y/N] `, `${question}? [y/N] `]);
    assert.equal((await run(url, ["remove", "o-1", "--yes", "--json"])).stdout, '{"removed":"o-1"}\n');
    assert.equal(asked.filter(({ line }) => line.startsWith("DELETE")).length, 2);
    assert.match((await run(url, ["remove", "o-2", "--yes"])).stderr, /^order_not_found: /);
  });
});

describe("the server that a command calls", () => {
  it("tells its only workflow; of several, the command must name one", async (t) => {
    const others = { ...parcelsApp, workflow: { ...parcelsApp.workflow, name: "letters" } };
    const { url } = await served(t, { apps: [parcelsApp, others], basePath: "/shop" });
    assert.deepEqual(await run(url, ["list"]), {
      exit: 2,
      stdout: "",
      stderr: `setting_invalid: ${url} serves parcels, letters; choose one with --workflow NAME\n`,
    });
    assert.equal((await run(`${url}/`, ["place", '{"to":"Ada"}', "--workflow", "letters"])).exit, 0);
    const unknown = await run(url, ["list", "--workflow", "others"]);
    assert.match(unknown.stderr, /^(workflow_not_found|route_not_found): [^\n]+\n$/);
  });

  it("gets the key, and a key of the role intake needs the workflow's name", async (t) => {
    const { key, sha256 } = createKey();
    const { url } = await served(t, { auth: parseKeys(`shop intake ${sha256}`, "test") });
    const place = (...args: string[]) => run(url, ["place", '{"to":"Ada"}', ...args]);
    assert.match((await place()).stderr, /^unauthorized: [^\n]+; --key or CAUCE_API_KEY takes the key\n$/);
    assert.match((await place("--key", key)).stderr, /^forbidden: [^\n]+; give the workflow with --workflow\n$/);
    assert.equal((await place("--key", key, "--workflow", "parcels")).exit, 0);
    const wrong = await place("--key", "secret key");
    assert.equal(wrong.exit, 2);
    assert.doesNotMatch(wrong.stderr, /secret/);
  });

  it("cannot move the terminal's cursor with the text of its errors", async (t) => {
    const { url } = await served(t);
    const { stderr } = await run(url, ["retry", "x\u001b[2J\u009b"]);
    assert.match(stderr, /^order_not_found: no order [^\p{Cc}]*x \[2J [^\p{Cc}]*\n$/u);
  });

  it("is named with a piece of advice when it does not answer", async (t) => {
    const { url } = await stub(t, (request) => void request.socket.destroy());
    const { exit, stdout, stderr } = await run(url, ["list"]);
    assert.deepEqual([exit, stdout], [1, ""]);
    assert.match(stderr, new RegExp(`^unreachable: cannot reach ${url}: [^\n]+; check that the server runs[^\n]+\n$`));
    const wrong = await run("http://a b", ["list"]);
    assert.deepEqual([wrong.exit, wrong.stderr.split(":")[0]], [2, "setting_invalid"]);
  });
});
