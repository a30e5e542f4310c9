import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { startEmulators } from "../backend/aws/emulators.ts";
import { limitMilliseconds } from "../backend/aws/patience.ts";
import { waitFor } from "../examples/support.ts";
import { gate, place, relayApp, staged } from "./stage.ts";
import { cauce, temporaryDirectory } from "./support.ts";

const ended = ({ status }: { status: string }) => status === "done";

describe("the roles on AWS", { concurrency: 3, timeout: limitMilliseconds }, () => {
  let emulators: { stop(): Promise<void> };
  before(async () => {
    emulators = await startEmulators();
  });
  after(() => emulators.stop());

  it("share the work: one serves the API, and each status has a worker that SIGTERM drains", async (t) => {
    const { start } = await staged(t, "shared");
    const held = await gate(t);
    const api = start("--role", "api");
    const open = start("--role", "work", "--status", "open");
    const checked = start("--role", "work", "--status", "checked");
    const address = await api.address();
    await api.wrote(/backend +aws\n {2}stage +shared\n {2}table +relay-table-shared\n {2}topic +relay-topic-shared\n/);
    await open.wrote(/queues +relay-open-shared\n/);

    const worker = await open.address();
    assert.equal((await fetch(`${worker}/healthz`)).status, 200);
    assert.equal((await fetch(`${worker}/readyz`)).status, 200);
    assert.equal((await fetch(`${worker}/relay`)).status, 404);

    const location = await place(address, { at: "checked", url: held.url });
    const request = await held.asked(1);
    checked.kill("SIGTERM");
    await checked.wrote(/Draining/);
    request.end();
    const { code, stdout } = await checked.ended;
    assert.equal(code, 0);
    assert.match(stdout, /Drained\.\n$/);
    const order = await waitFor(location, ended);
    assert.deepEqual(
      order.history.map(({ status, attempts }) => [status, attempts]),
      [
        ["open", 1],
        ["checked", 1],
        ["done", 0],
      ],
    );
    open.kill("SIGTERM");
    api.kill("SIGTERM");
    assert.equal((await open.ended).code, 0);
    assert.equal((await api.ended).code, 0);
  });

  it("outlive a worker that is killed with an order in hand", async (t) => {
    const { start } = await staged(t, "killed");
    const held = await gate(t);
    const address = await start("--role", "api").address();
    const worker = start("--role", "work");
    await worker.address();
    const location = await place(address, { at: "open", url: held.url });
    await held.asked(1);
    worker.kill("SIGKILL");
    assert.equal((await worker.ended).signal, "SIGKILL");

    const other = start("--role", "work");
    await other.address();
    (await held.asked(2)).end();
    assert.ok(await waitFor(location, ended));
  });

  it("keep a group's order in FIFO delivery, over several workers and a process without a role", async (t) => {
    const { start } = await staged(t, "fifo", "fifo");
    const held = await gate(t);
    const api = start("--role", "api");
    const address = await api.address();
    await api.wrote(/delivery +fifo\n/);
    await api.wrote(/topic +relay-topic-fifo\.fifo\n/);
    const first = await place(address, { group: "a", at: "checked", url: held.url });
    const second = await place(address, { group: "a" });
    const other = await place(address, { group: "b" });
    const workers = [start("--role", "work"), start("--role", "work"), start()];
    for (const worker of workers) await worker.address();
    const request = await held.asked(1);
    assert.ok(await waitFor(second, ({ status }) => status === "checked"));
    assert.ok(await waitFor(other, ended), "another group goes on");
    const behind = await waitFor(second, () => true);
    assert.deepEqual([behind.status, behind.attempts], ["checked", 0], "it waits behind the first of its group");
    request.end();
    const [one, two] = [await waitFor(first, ended), await waitFor(second, ended)];
    const left = ({ history }: typeof one) => Date.parse(String(history[2]?.at));
    assert.ok(left(one) <= left(two), "the first left the status first");
    for (const process of [api, ...workers]) process.kill("SIGTERM");
    for (const process of [api, ...workers]) assert.equal((await process.ended).code, 0);
  });

  it("let a worker serve its health and metrics to its own machine, and to callers with a key", async (t) => {
    const { start } = await staged(t, "told");
    const worker = await start("--role", "work").address();
    for (const path of ["/healthz", "/readyz", "/metrics", "/stats"]) {
      assert.equal((await fetch(worker + path)).status, 200, path);
    }
    assert.match(await (await fetch(`${worker}/metrics`)).text(), /^cauce_/m);
    for (const path of ["/relay", "/queues", "/events", "/docs", "/"]) {
      const answer = await fetch(worker + path);
      assert.equal(answer.status, 404, path);
      assert.match(((await answer.json()) as { detail: string }).detail, /serves \/healthz, .*\/stats alone/);
    }

    const outside = start("--role", "work", "--host", "0.0.0.0");
    const open = (await outside.address()).replace("0.0.0.0", "127.0.0.1");
    assert.equal((await fetch(`${open}/healthz`)).status, 200);
    assert.equal((await fetch(`${open}/metrics`)).status, 404, "no caller without a key may read from outside");

    const file = `${temporaryDirectory(t)}/keys`;
    const made = await cauce(t, ["keys", "create", "--role", "read", "--file", file]).ended;
    const key = /cauce_\S+/.exec(made.stdout)?.[0];
    const keyed = start("--role", "work", "--host", "0.0.0.0", "--keys", file);
    const locked = (await keyed.address()).replace("0.0.0.0", "127.0.0.1");
    assert.equal((await fetch(`${locked}/readyz`)).status, 200);
    assert.equal((await fetch(`${locked}/metrics`)).status, 401);
    assert.equal((await fetch(`${locked}/metrics`, { headers: { authorization: `Bearer ${key}` } })).status, 200);
  });

  it("refuse settings that cannot work in one line with a code", async (t) => {
    const { start, sweep } = await staged(t, "refused");
    const topicArn = "arn:aws:sns:us-east-1:000000000000:relay-topic-refused";
    const noRegion = { AWS_REGION: undefined, AWS_CONFIG_FILE: "/nonexistent" };
    const cases = [
      [
        start("--role", "work", "--status", "gone"),
        1,
        /^status_not_found: "gone" is no status in "relay"; there is open/,
      ],
      [start("--role", "work", "--status", "done"), 1, /^status_not_handled: "done" is not handled in "relay"/],
      [start("--role", "api", "--status", "open"), 2, /^setting_invalid: --status is for the role work/],
      [start("--stage", "elsewhere"), 1, /^store_missing: .*relay-table-elsewhere/],
      [
        cauce(t, ["start", relayApp, "--backend", "aws"], { env: noRegion }),
        2,
        /^setting_invalid: table relay-table-dev failed: Region is missing; set AWS_REGION, as in AWS_REGION=eu-west-1\n/,
      ],
      [sweep("--backend", "sqlite"), 2, /^setting_invalid: cauce sweep is for --backend aws/],
      [sweep("--stage", "elsewhere"), 1, /^store_missing: .*relay-table-elsewhere/],
      [cauce(t, ["start", relayApp, "--role", "work"]), 2, /^setting_invalid: --role is "work"/],
      [cauce(t, ["start", relayApp, "--topic-arn", topicArn]), 2, /^setting_invalid: --topic-arn is for --backend aws/],
      [start("--host", "0.0.0.0"), 1, /^keys_required: /],
    ] as const;
    for (const [process, exit, message] of cases) {
      const { code, stderr } = await process.ended;
      assert.match(stderr, message);
      assert.deepEqual([code, stderr.split("\n").length], [exit, 2], stderr);
    }
  });

  it("are not needed on SQLite", async (t) => {
    const server = cauce(t, ["start", relayApp, "--port", "0", "--data", temporaryDirectory(t)]);
    assert.ok(await waitFor(await place(await server.address(), {}), ended));
  });
});
