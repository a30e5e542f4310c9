import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { App as CdkApp } from "aws-cdk-lib";
import { type App, type Cauce, createCauce, type Order } from "cauce";
import { type Client, createClient } from "cauce/http";
import { sqlite } from "cauce/sqlite";
import { type FakeClock, fakeClock, memory } from "cauce/testing";
import { sendRows } from "../../examples/docs/batch.ts";
import { amountAtTheDesk, approve, borrow, loansClient } from "../../examples/docs/client.ts";
import { apply, openLoans, openLoansOf } from "../../examples/docs/embed.ts";
import loans from "../../examples/docs/loans.app.ts";
import parcels from "../../examples/docs/parcels.app.ts";
import { paymentsApp } from "../../examples/docs/payments.ts";
import { payslipReceiver } from "../../examples/docs/receiver.ts";
import { parcelsStack } from "../../examples/docs/stack.ts";
import * as tickets from "../../examples/docs/tickets.ts";
import { onPayslip } from "../../examples/docs/webhook.ts";
import { createKey, formatKeyLine } from "../../src/http/auth.ts";
import { listen } from "../../src/node/server.ts";
import { createStack, startEmulators } from "../backend/aws/emulators.ts";
import { readText, root } from "./markdown.ts";

// Runs every sample of the docs. The testing guide's samples are tests, which register themselves.
await import("../../examples/docs/loans.test.ts");
await import("../../examples/docs/contract.test.ts");

const log = { info: () => {}, warn: () => {}, error: () => {} };

async function open(t: TestContext, apps: App, clock: FakeClock = fakeClock()): Promise<Cauce> {
  const cauce = await createCauce({ apps, backend: memory, clock, log });
  t.after(() => cauce.close());
  await cauce.start();
  return cauce;
}

async function until(cauce: Cauce, order: Order, wanted: (order: Order) => boolean): Promise<Order> {
  for (;;) {
    const now = await cauce.get(order.workflow, order.id);
    if (now !== undefined && wanted(now)) return now;
    await new Promise(setImmediate);
  }
}

const reaches = (cauce: Cauce, order: Order, status: string) => until(cauce, order, (now) => now.status === status);

/** Serves a Cauce until the test ends, and gives its address. */
async function serve(t: TestContext, cauce: Cauce): Promise<string> {
  const listener = await listen(cauce.fetch, { host: "127.0.0.1", port: 0 });
  t.after(() => {
    listener.abort();
    return listener.close();
  });
  return `http://127.0.0.1:${listener.port}`;
}

async function directory(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "cauce-docs-"));
  t.after(() => rm(path, { recursive: true }));
  return path;
}

describe("examples/docs", () => {
  it("has no file that these tests do not run", async () => {
    const importers = ["test/docs/samples.test.ts", "examples/docs/loans.app.ts"].map(readText).join("\n");
    for (const name of await readdir(join(root, "examples/docs"))) {
      assert.ok(importers.includes(`/${name}")`) || importers.includes(`/${name}";`), `examples/docs/${name} is run`);
    }
  });

  it("stack.ts makes the parcels' stack, in which each alarm has an action", async (t) => {
    const keys = formatKeyLine({ name: "desk", role: "operate", sha256: createKey().sha256 });
    const cdk = new CdkApp({ outdir: await directory(t), autoSynth: false });
    parcelsStack(cdk, keys);
    const { Resources } = cdk.synth().getStackByName("parcels-prod").template as {
      Resources: Record<string, { Type: string; Properties: { AlarmActions?: unknown[] } }>;
    };
    const alarms = Object.values(Resources).filter(({ Type }) => Type === "AWS::CloudWatch::Alarm");
    assert.ok(alarms.length > 5);
    for (const { Properties } of alarms) assert.equal(Properties.AlarmActions?.length, 1);
  });

  it("parcels.request.ts takes an order as a function", async (t) => {
    const emulators = await startEmulators();
    const stack = await createStack({ workflow: "parcels", stage: "dev", mode: "standard", statuses: ["received"] });
    process.env.CAUCE_PUBLIC = "true";
    process.env.CAUCE_TOPIC_ARN = stack.topicArn;
    t.after(async () => {
      delete process.env.CAUCE_PUBLIC;
      delete process.env.CAUCE_TOPIC_ARN;
      await stack.remove();
      await emulators.stop();
    });
    const { handler } = await import("../../examples/docs/parcels.request.ts");
    const answer = await handler({
      ...{ rawPath: "/parcels", rawQueryString: "", isBase64Encoded: false },
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ address: "1 Quay St", weightKilograms: 2 }),
      requestContext: { domainName: "api.example", requestId: "gateway-1", http: { method: "POST" } },
    });
    assert.equal(answer.statusCode, 202, answer.body);
  });

  it("the parcels are labelled, then delivered by a call or returned when the wait expires", async (t) => {
    const clock = fakeClock();
    const cauce = await open(t, parcels, clock);
    const place = async () => (await cauce.place("parcels", { address: "1 Quay St", weightKilograms: 2 })).order;
    const [first, second] = [await place(), await place()];
    const labelled = await reaches(cauce, first, "labelled");
    assert.equal(labelled.results.label, `LABEL-${first.id.slice(-12)}`);
    await cauce.transition("parcels", first.id, { to: "delivered" });
    await reaches(cauce, second, "labelled");
    clock.advance(14 * 86_400);
    await reaches(cauce, second, "returned");
  });

  it("the loans go to the desk where the agency refuses, and a poor score is declined", async (t) => {
    const cauce = await open(t, loans);
    const place = async (applicantId: string) =>
      (await cauce.place("loans", { applicantId, email: "ada@example.com", amount: 500 })).order;
    const unknown = await reaches(cauce, await place("UNKNOWN-1"), "deskReview");
    assert.equal(unknown.history.at(-1)?.reason, "exhausted: the agency does not know UNKNOWN-1");
    assert.equal(unknown.history[1]?.attempts, 1);
    const poor = await reaches(cauce, await place("POOR-1"), "declined");
    assert.deepEqual(poor.results, { score: 420 });
  });

  it("the webhook is taken once however often it comes, and is told when it comes too late", async (t) => {
    const cauce = await open(t, loans);
    const data = { applicantId: "PAYSLIP-1", email: "ada@example.com", amount: 500 };
    const { order } = await cauce.place("loans", data);
    await reaches(cauce, order, "awaitingPayslip");
    assert.equal(await onPayslip(cauce, { id: "event-1", loanId: order.id }), "taken");
    const paid = await reaches(cauce, order, "paidOut");
    assert.equal(await onPayslip(cauce, { id: "event-1", loanId: order.id }), "taken");
    assert.equal(await onPayslip(cauce, { id: "event-2", loanId: order.id }), "too late");
    assert.equal((await cauce.get("loans", order.id))?.version, paid.version);
    await assert.rejects(onPayslip(cauce, { id: "event-3", loanId: "nobody" }), { code: "order_not_found" });
  });

  it("the embedding program makes one order of an application that is sent twice", async (t) => {
    const cauce = await openLoans(await directory(t));
    try {
      const application = { formId: "form-1", applicantId: "a-1", email: "ada@example.com" };
      const [, id = ""] = /^thank you, your number is (\S+)$/.exec(await apply(cauce, application)) ?? [];
      const order = await cauce.get("loans", id);
      assert.ok(order);
      await reaches(cauce, order, "paidOut");
      assert.equal(await apply(cauce, application), "we have it already: it is paidOut");
      assert.deepEqual(await openLoansOf(cauce.workflow(loans), application.applicantId), []);
    } finally {
      await cauce.close();
    }
  });

  it("the client borrows, sees the applications at the desk, and decides once", async (t) => {
    const cauce = await open(t, loans);
    const client = loansClient(`${await serve(t, cauce)}/loans`);
    const form = { id: "form-1", applicantId: "a-1", amount: 500 };
    assert.equal(await borrow(client, form), "paidOut");
    assert.equal(await borrow(client, form), "paidOut");
    assert.equal(
      await borrow(client, { id: "form-2", applicantId: "UNKNOWN-1", amount: 700 }),
      "a person will look at it",
    );
    assert.equal(await amountAtTheDesk(client), 700);
    const { items } = await client.list({ status: "deskReview" });
    const [order] = items;
    assert.ok(items.length === 1 && order !== undefined);
    assert.equal(await approve(client, order.id, order.version), "approved");
    assert.equal(await approve(client, order.id, order.version), "look at it again");
    await client.waitFor(order.id, "paidOut");
  });

  it("the payments ask again for a charge whose answer was lost, and the charge is made once", async (t) => {
    const charges = new Map<string, string>();
    const keys: string[] = [];
    const service = createServer((request, response) => {
      const key = String(request.headers["idempotency-key"]);
      keys.push(key);
      const id = charges.get(key) ?? `charge-${charges.size + 1}`;
      charges.set(key, id);
      request.resume();
      // The money has moved, and the first answer is lost.
      if (keys.length === 1) request.socket.destroy();
      else response.end(JSON.stringify({ id }));
    });
    service.listen(0, "127.0.0.1");
    await once(service, "listening");
    t.after(() => {
      service.closeAllConnections();
      service.close();
    });
    const { port } = service.address() as AddressInfo;
    const clock = fakeClock();
    const cauce = await open(t, paymentsApp(`http://127.0.0.1:${port}`), clock);
    const { order } = await cauce.place("payments", { card: "c-1", cents: 900 });
    await until(cauce, order, ({ notBefore }) => notBefore !== null);
    clock.advance(60);
    const { results } = await reaches(cauce, order, "charged");
    assert.deepEqual(results, { chargeId: "charge-1" });
    assert.deepEqual(keys, [`${order.id}:0`, `${order.id}:0`]);
    assert.equal(charges.size, 1);
  });

  it("the batch that is sent twice is placed once, and a bad row fails alone", async (t) => {
    const cauce = await open(t, parcels);
    const url = `${await serve(t, cauce)}/parcels`;
    const rows = ["row-1", "row-2", "row-3"].map((key, at) => ({
      key,
      data: { address: "1 Quay St", weightKilograms: at === 1 ? -1 : 2 },
    }));
    const statuses = async () => (await sendRows(url, rows)).map(({ status }) => status);
    assert.deepEqual(await statuses(), [202, 422, 202]);
    assert.deepEqual(await statuses(), [200, 422, 200]);
  });

  it("the receiver takes a signed message once, and asks for a message again that may succeed later", async (t) => {
    const cauce = await open(t, loans);
    const data = { applicantId: "PAYSLIP-1", email: "ada@example.com", amount: 500 };
    const { order } = await cauce.place("loans", data);
    const { order: busy } = await cauce.place("loans", { ...data, applicantId: "BUSY-1" });
    await reaches(cauce, order, "awaitingPayslip");
    await until(cauce, busy, ({ notBefore }) => notBefore !== null);
    const send = (client: Client<typeof loans.workflow>, id: string, loanId = order.id, secret = "s3cret") => {
      const body = JSON.stringify({ id, loanId });
      const signature = createHmac("sha256", secret).update(body).digest("hex");
      const request = { method: "POST", body, headers: { "x-signature": signature } };
      return payslipReceiver(client, "s3cret").request("/payslips", request);
    };
    const answer = async (response: Response | Promise<Response>) => {
      const { status, text } = { status: (await response).status, text: await (await response).text() };
      return `${status} ${text}`;
    };
    const client = loansClient(`${await serve(t, cauce)}/loans`);
    assert.equal(await answer(send(client, "event-1", order.id, "another")), "401 not signed by us");
    assert.equal(await answer(send(client, "event-1")), "200 taken");
    await reaches(cauce, order, "paidOut");
    assert.equal(await answer(send(client, "event-1")), "200 taken");
    assert.equal(await answer(send(client, "event-2")), "200 ignored: transition_not_allowed");
    assert.equal(await answer(send(client, "event-3", busy.id)), "503 try again later");
    assert.equal(await answer(send(client, "event-4", "nobody")), "200 ignored: order_not_found");
    const away = createClient<typeof loans.workflow>({ url: "http://127.0.0.1:1/loans", retries: 0 });
    assert.equal(await answer(send(away, "event-5")), "503 try again later");
  });

  it("the tickets are stranded by a status that is removed at once, and not by one that retires first", async (t) => {
    const path = await directory(t);
    const clock = fakeClock();
    const openTickets = (apps: App) => createCauce({ apps, backend: sqlite({ directory: path }), clock, log });

    const before = await openTickets(tickets.before);
    await before.start();
    const { order } = await before.place("tickets", { text: "it does not work" });
    await until(before, order, ({ status, notBefore }) => status === "sorting" && notBefore !== null);
    await before.close();

    const tooSoon = await openTickets(tickets.after);
    await assert.rejects(tooSoon.start(), { code: "orders_stranded" });
    await tooSoon.close();

    const retiring = await openTickets(tickets.retiring);
    await retiring.start();
    clock.advance(3_600);
    await reaches(retiring, order, "triaged");
    await retiring.close();

    const after = await openTickets(tickets.after);
    await after.start();
    await after.close();
  });
});
