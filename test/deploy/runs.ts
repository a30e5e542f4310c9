import assert from "node:assert/strict";
import { hostname } from "node:os";
import type { TestContext } from "node:test";
import { z } from "zod";
import { aws } from "../../src/backend/aws/index.ts";
import type { DeliveryMode } from "../../src/backend/port.ts";
import { systemClock } from "../../src/core/clock.ts";
import { decide } from "../../src/core/decide.ts";
import { leasesOf } from "../../src/core/workflow.ts";
import { createEngine } from "../../src/engine/createEngine.ts";
import { createCauce, defineWorkflow, final, implement, PermanentError } from "../../src/index.ts";
import { processingHandler, requestHandler, sweepHandler } from "../../src/lambda/index.ts";
import { fakeClock } from "../../src/testing/fakeClock.ts";
import { createStack } from "../backend/aws/emulators.ts";
import { newOrder } from "../backend/sqlite/support.ts";
import { createEventSource, invocation } from "../lambda/eventSource.ts";
import { type Asked, startRecorder } from "./recorder.ts";

// Runs every path that calls AWS as each role, through a recorder. A role is granted exactly the recorded calls.

const workflow = defineWorkflow({
  name: "parcels",
  data: z.object({ customer: z.string(), does: z.string().optional(), note: z.string().optional() }),
  results: z.object({ label: z.string() }).partial(),
  group: (data) => data.customer,
  initial: "received",
  statuses: {
    received: { to: ["packed", "asked"], timeoutSeconds: 5, retry: { attempts: 2, baseSeconds: 0.001 } },
    packed: { to: ["sent"], timeoutSeconds: 5, retry: { attempts: 2, baseSeconds: 0.001 } },
    asked: { to: ["packed", "sent"], waits: true, expires: { afterSeconds: 60, to: "packed" } },
    sent: final,
  },
});
const statuses = ["received", "packed"] as const;
const large = "x".repeat(200_000);
const daySeconds = 86_400;

export const app = implement(workflow, {
  handlers: {
    received: async ({ data }, { attempt }) => {
      if (data.does === "ask") return "asked";
      if (data.does === "refuse") throw new PermanentError("never");
      if (data.does === "flaky" && attempt === 1) throw new Error("down");
      return data.does === "label" ? { to: "packed", results: { label: large } } : "packed";
    },
    packed: async ({ data }, { attempt }) => {
      if (data.does === "flaky" && attempt === 1) throw new Error("down");
      return data.does === "label" ? { to: "sent", results: { label: "short" } } : "sent";
    },
  },
});

export type Role = "request" | "processing" | "sweep" | "api" | "work" | "sweeper";

/** The role of a caller. `processing:packed` is a function for that status alone. */
type Asker = Exclude<Role, "processing"> | `processing:${(typeof statuses)[number]}`;

type Processing = ReturnType<typeof processingHandler>;

export interface Recorded {
  /** Records the calls that each role makes over everything that it does. */
  readonly asked: Readonly<Record<Role, readonly Asked[]>>;
  /** The calls of each status's own function. */
  readonly askedByStatus: ReadonlyMap<string, readonly Asked[]>;
}

export async function record(t: TestContext, delivery: DeliveryMode, stage: string): Promise<Recorded> {
  const stack = await createStack({ workflow: workflow.name, stage, mode: delivery, statuses });
  t.after(() => stack.remove());
  const { env } = process;
  const emulators = {
    dynamo: String(env.AWS_ENDPOINT_URL_DYNAMODB),
    queues: String(env.AWS_ENDPOINT_URL_SQS),
  };
  const processors = statuses.map((status) => `processing:${status}` as const);
  const recorders = {} as Record<Asker, Awaited<ReturnType<typeof startRecorder>>>;
  for (const role of ["request", "sweep", "api", "work", "sweeper", ...processors] as const) {
    const recorder = await startRecorder(emulators);
    t.after(() => recorder.stop());
    recorders[role] = recorder;
  }
  /** Runs code that reads the environment as this role. */
  const as = async <T>(role: Asker, run: () => T | Promise<T>): Promise<T> => {
    const environment = {
      ...recorders[role].environment,
      CAUCE_STAGE: stage,
      CAUCE_DELIVERY: delivery,
      CAUCE_TOPIC_ARN: stack.topicArn,
      ...(role === "request" ? { CAUCE_PUBLIC: "true" } : {}),
      ...(role === "sweep" ? { CAUCE_RETENTION_DAYS: "2" } : {}),
    };
    const before = { ...env };
    Object.assign(env, environment);
    try {
      return await run();
    } finally {
      for (const name of Object.keys(environment)) {
        if (before[name] === undefined) delete env[name];
        else env[name] = before[name];
      }
    }
  };
  const log = { info: () => {}, warn: () => {}, error: () => {} };

  /** Stores an order as one that was placed `seconds` ago, unrecorded. */
  const placeAgo = async (seconds: number, fields: object) => {
    const clock = fakeClock(Date.now() - seconds * 1_000);
    const leaseSeconds = leasesOf(workflow);
    const backend = await aws({ stage, ...stack })({ workflow: workflow.name, delivery, clock, leaseSeconds });
    try {
      const placed = await backend.place({ ...newOrder, createdAt: clock.now(), group: "old", ...fields });
      assert.ok("order" in placed);
      return placed.order.id;
    } finally {
      await backend.close();
    }
  };
  const overdue = async () => {
    const past = Date.now() - 3_600_000;
    await placeAgo(3_600, { status: "received", kind: "handled", dataJson: '{"customer":"old"}' });
    await placeAgo(3_600, { status: "packed", kind: "handled", dataJson: '{"customer":"old"}' });
    await placeAgo(3_600, { status: "asked", kind: "waiting", expiresAt: past, dataJson: '{"customer":"old"}' });
    const note = JSON.stringify({ customer: "old", note: large });
    await placeAgo(3 * daySeconds, { status: "sent", kind: "final", dataJson: note });
  };

  /** Stores an order that was moved on and not queued, and whose earlier message comes again. */
  const unpublished = async () => {
    const open = (topicArn: string) =>
      aws({ stage, ...stack, topicArn })({
        ...{ workflow: workflow.name, delivery, clock: systemClock(), leaseSeconds: leasesOf(workflow) },
      });
    const [whole, cutOff] = [await open(stack.topicArn), await open(stack.topicArn.replace("parcels-", "gone-"))];
    try {
      const first = {
        ...newOrder,
        createdAt: Date.now(),
        group: "moved",
        status: "received",
        kind: "handled" as const,
      };
      const placed = await whole.place({ ...first, dataJson: '{"customer":"moved"}' });
      assert.ok("order" in placed);
      while ((await sources[0]?.receive())?.Records.length === 0);
      const by = { runtime: "node" as const, name: "test", requestId: null, messageId: null };
      const context = { workflow, now: Date.now(), random: Math.random, by, resultsBytesMax: 1_000 };
      const decision = decide(placed.order, { kind: "moved", to: "packed" }, context);
      assert.ok("change" in decision);
      await assert.rejects(cutOff.commit(decision.change), { code: "store_missing" });
    } finally {
      await whole.close();
      await cutOff.close();
    }
  };

  /** Makes every call of the API, and has `work` empty the queues in between. */
  const callAll = async (
    role: "request" | "api",
    fetch: (request: Request) => Promise<Response>,
    work: () => Promise<void>,
  ) => {
    const call = async (method: string, path: string, body?: object | string, expected = [200, 202]) => {
      const json = { "content-type": typeof body === "string" ? "application/x-ndjson" : "application/json" };
      // Placings and transitions alone take a key.
      const isKeyed = /^\/\w+$|\/transitions$/.test(path);
      const key = { "idempotency-key": `${role}-${path}-${JSON.stringify(body ?? "").slice(0, 99)}` };
      const answer = await as(role, () =>
        fetch(
          new Request(`http://api.example${path}`, {
            method,
            headers: body === undefined ? {} : { ...json, ...(isKeyed && key) },
            ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
          }),
        ),
      );
      const text = await answer.text();
      assert.ok(expected.includes(answer.status), `${method} ${path}: ${answer.status} ${text.slice(0, 300)}`);
      return text === "" ? undefined : (JSON.parse(text.split("\n")[0] as string) as { id: string; status: string });
    };
    const place = async (does: string, more: object = {}) =>
      (await call("POST", "/parcels", { customer: does, does, ...more }))?.id as string;
    const [asked, moved] = [await place("ask"), await place("ask", { note: "second" })];
    const refused = await place("refuse");
    const done = await place("label", { note: large });
    await place("label", { note: large });
    await place("flaky");
    await call("POST", "/parcels/batch", `${JSON.stringify({ data: { customer: "batch" } })}\n`);
    await work();
    for (const path of ["", `/${done}`, "?status=sent", "?failed=true", "/failures"])
      await call("GET", `/parcels${path}`);
    for (const path of ["/queues", "/readyz", "/healthz"]) await call("GET", path);
    await call("POST", `/parcels/${asked}/transitions`, { to: "packed" });
    await call("POST", `/parcels/${moved}/transitions`, { to: "sent", results: { label: large } });
    await call("POST", `/parcels/${refused}/retry`, {});
    await work();
    await call("POST", "/parcels/retry", {});
    for (const what of ["pause", "resume"]) await call("POST", `/parcels/queues/received/${what}`);
    await call("DELETE", `/parcels/${done}`, undefined, [204]);
  };

  const sources = statuses.map((status) =>
    createEventSource({ queueUrl: String(stack.queueUrl(status)), visibilitySeconds: 3, waitSeconds: 0 }),
  );
  const served: { readonly role: Asker; readonly source: (typeof sources)[number]; readonly handler: Processing }[] =
    [];
  for (const [n, source] of sources.entries()) {
    const role = processors[n] as Asker;
    served.push({ role, source, handler: await as(role, () => processingHandler(app)) });
  }
  t.after(() => {
    for (const source of sources) source.close();
  });
  const begun = new Set<Asker>();
  const seen = await aws({ stage, ...stack })({ workflow: workflow.name, delivery, clock: systemClock() });
  t.after(() => seen.close());
  const isBusy = async () =>
    (await seen.list({ failed: false, limit: 500 })).items.some(({ status }) =>
      statuses.some((each) => each === status),
    );
  /** Invokes functions as event source mappings do until no order is handled. Each role gives its first batch back. */
  const workOff = async () => {
    while (await isBusy()) {
      for (const { role, source, handler } of served) {
        const event = await source.receive();
        if (event.Records.length === 0) continue;
        const remaining = begun.has(role) ? 60_000 : 1_000;
        begun.add(role);
        const answer = await as(role, () => handler(event, invocation(remaining)));
        await source.settle(event, answer);
      }
    }
  };
  const request = await as("request", () => requestHandler(app));
  await callAll(
    "request",
    async (asRequest) => {
      const url = new URL(asRequest.url);
      const body = asRequest.method === "GET" || asRequest.method === "DELETE" ? undefined : await asRequest.text();
      const { statusCode, body: answered } = await request({
        rawPath: url.pathname,
        rawQueryString: url.search.slice(1),
        headers: Object.fromEntries(asRequest.headers),
        ...(body === undefined ? {} : { body }),
        isBase64Encoded: false,
        requestContext: { domainName: "api.example", requestId: "r", http: { method: asRequest.method } },
      });
      return new Response(statusCode === 204 ? null : answered, { status: statusCode });
    },
    workOff,
  );

  await unpublished();
  await workOff();

  await overdue();
  const sweep = await as("sweep", () => sweepHandler(app));
  await as("sweep", () => sweep({}, invocation()));
  await workOff();

  const open = () => createCauce({ apps: app, backend: aws({ stage, pollSeconds: 1 }), delivery, log });
  const api = await as("api", open);
  t.after(() => api.close());
  const worker = await as("work", open);
  t.after(() => worker.close());
  const quiet = async () => {
    while (await isBusy()) await new Promise((resolve) => setTimeout(resolve, 50));
  };
  await unpublished();
  // The clients learn the endpoint with their first calls, so those are made under the role's name.
  await as("api", () => api.place(workflow.name, { customer: "first" }));
  await as("work", async () => {
    await worker.start({ sweeps: false });
    await quiet();
  });
  await callAll("api", (asRequest) => Promise.resolve(api.fetch(asRequest)), quiet);
  await as("work", () => worker.fetch(new Request("http://api.example/metrics")));
  await worker.close();

  await overdue();
  await as("sweeper", async () => {
    const clock = systemClock();
    const leaseSeconds = leasesOf(workflow);
    const backend = await aws({ stage })({ workflow: workflow.name, delivery, clock, leaseSeconds });
    try {
      const actor = { runtime: "node" as const, name: hostname() };
      const engine = createEngine({ app, backend, clock, random: Math.random, log, actor, retentionDays: 2 });
      await engine.maintain("sweep", () => true);
      await engine.maintain("retention", () => true);
    } finally {
      await backend.close();
    }
  });
  const askedByStatus = new Map(statuses.map((status) => [status, recorders[`processing:${status}`].asked()]));
  const { request: ofRequest, sweep: ofSweep, api: ofApi, work: ofWork, sweeper: ofSweeper } = recorders;
  return {
    asked: {
      request: ofRequest.asked(),
      processing: [...askedByStatus.values()].flat(),
      sweep: ofSweep.asked(),
      api: ofApi.asked(),
      work: ofWork.asked(),
      sweeper: ofSweeper.asked(),
    },
    askedByStatus,
  };
}
