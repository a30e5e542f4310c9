import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { z } from "zod";
import { memory } from "../../src/backend/memory/memory.ts";
import type { Backend, Limits, NewOrder } from "../../src/backend/port.ts";
import { type Clock, systemClock } from "../../src/core/clock.ts";
import { CauceError } from "../../src/core/errors.ts";
import type { StoredOrder } from "../../src/core/order.ts";
import { type AnyWorkflow, final } from "../../src/core/workflow.ts";
import { noObserver } from "../../src/engine/context.ts";
import { createEngine } from "../../src/engine/createEngine.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { createIntake, type Intake } from "../../src/engine/intake.ts";
import { createPlace } from "../../src/engine/place.ts";
import { fakeClock } from "../../src/testing/fakeClock.ts";
import { openSqlite, temporaryDirectory } from "../backend/sqlite/support.ts";
import { actor, appOf, cauceError, contextOf, controlled, keptLog, refused, taken, workflowOf } from "./support.ts";

const statuses = { received: { to: ["done"] }, done: final } as const;
const data = z.object({ customerId: z.string(), amount: z.number().min(1).default(5) });
const plain = workflowOf(statuses, { data });

interface Setup {
  readonly place: Engine["place"];
  readonly backend: Backend;
  /** The orders that reached the store. */
  readonly sent: readonly NewOrder[];
  readonly expiries: readonly number[];
  readonly clock: ReturnType<typeof fakeClock>;
}

function setupOf(workflow: AnyWorkflow = plain, limits: Partial<Limits> = {}): Setup {
  const clock = fakeClock();
  const inner = memory({ clock });
  const sent: NewOrder[] = [];
  const expiries: number[] = [];
  const backend: Backend = {
    ...inner,
    limits: { ...inner.limits, ...limits },
    place(order) {
      sent.push(order);
      return inner.place(order);
    },
  };
  const placed = ({ expiresAt }: StoredOrder) => {
    if (expiresAt !== null) expiries.push(expiresAt);
  };
  const place = createPlace(contextOf({ workflow, backend, clock, observer: { ...noObserver, placed } }));
  return { place, backend, sent, expiries, clock };
}

describe("an order that is placed", () => {
  test("is stored as the schema gives it, in the initial status", async () => {
    const { place, backend, clock } = setupOf();
    const { placed, order } = taken(await place({ customerId: "c-1", extra: true }));
    assert.equal(placed, true);
    assert.deepEqual(await backend.get(order.id), order);
    assert.deepEqual(JSON.parse(order.dataJson), { customerId: "c-1", amount: 5 });
    assert.deepEqual(
      [order.status, order.kind, order.visit, order.version, order.createdAt, order.expiresAt, order.group],
      ["received", "handled", 0, 1, clock.now(), null, null],
    );
    assert.deepEqual(order.entry.by, { ...actor, requestId: null, messageId: null });
  });

  test("keeps its caller's request id, which no other order gets", async () => {
    const { place } = setupOf();
    const named = taken(await place({ customerId: "c-1" }, { requestId: "r-1" }));
    const unnamed = taken(await place({ customerId: "c-1" }));
    assert.deepEqual([named.order.entry.by.requestId, unnamed.order.entry.by.requestId], ["r-1", null]);
  });

  test("waits until its expiry in a waiting status, and the sweep is told of the expiry once", async () => {
    const waiting = workflowOf({
      parked: { to: ["done"], waits: true, expires: { afterSeconds: 0.0005, to: "done" } },
      done: final,
    });
    const { place, expiries, clock } = setupOf(waiting);
    const { order } = taken(await place({ n: 1 }, { idempotencyKey: "k" }));
    taken(await place({ n: 1 }, { idempotencyKey: "k" }));
    assert.deepEqual([order.kind, order.expiresAt, expiries], ["waiting", clock.now() + 1, [clock.now() + 1]]);
  });

  test("joins the group that the workflow names from its data, or none", async () => {
    const groups: unknown[] = ["c-1", "", null, undefined];
    const { place } = setupOf(workflowOf(statuses, { group: () => groups.shift() as string }));
    const joined = [];
    for (let n = 0; n < 4; n++) joined.push(taken(await place({})).order.group);
    assert.deepEqual(joined, ["c-1", "", null, null]);
  });
});

describe("an order that is refused before anything is written", () => {
  const invalid: [string, unknown, AnyWorkflow, readonly string[]][] = [
    ["data that are no object", "text", plain, [""]],
    ["no data", undefined, plain, [""]],
    ["faults, each with its path", { amount: 0 }, plain, ["customerId", "amount"]],
    [
      "a fault deep inside its data",
      { items: [{ sku: "" }] },
      workflowOf(statuses, { data: z.object({ items: z.array(z.object({ sku: z.string().min(1) })) }) }),
      ["items.0.sku"],
    ],
    ["no data where the schema takes anything", undefined, workflowOf(statuses, { data: z.unknown() }), [""]],
    ["a function as data where the schema takes anything", () => 1, workflowOf(statuses, { data: z.unknown() }), [""]],
    [
      "a bigint in its data where the schema takes anything",
      { n: 1n },
      workflowOf(statuses, { data: z.unknown() }),
      ["n"],
    ],
    ["data that is nested too deep", nested(50_000), workflowOf(statuses, { data: z.unknown() }), [""]],
  ];
  for (const [what, body, workflow, paths] of invalid) {
    test(`has ${what}, and is refused with invalid_data`, async () => {
      const { place, sent } = setupOf(workflow);
      const refusal = refused(await place(body, { idempotencyKey: "k" }), "invalid_data");
      assert.deepEqual(
        refusal.faults?.map(({ path }) => path),
        paths,
      );
      for (const { message } of refusal.faults ?? []) assert.match(message, /./);
      assert.deepEqual(sent, []);
    });
  }

  for (const idempotencyKey of [undefined, "k"]) {
    const how = idempotencyKey === undefined ? "without a key" : "with a key";
    test(`holds what JSON has no word for, and is refused with its path ${how}`, async () => {
      const { place, sent } = setupOf(workflowOf(statuses, { data: z.looseObject({}) }));
      for (const [value, path] of [
        [{ items: [{ price: Number.NaN }] }, "items.0.price"],
        [{ tags: new Map([["a", 1]]) }, "tags"],
        [{ receipt: Promise.resolve("r-1") }, "receipt"],
        [{ format: () => "x" }, "format"],
        [{ lines: [undefined] }, "lines.0"],
      ] as const) {
        const refusal = refused(await place(value, { idempotencyKey, who: { kind: "process" } }), "invalid_data");
        assert.deepEqual(
          refusal.faults?.map((fault) => fault.path),
          [path],
        );
        assert.match(refusal.message, new RegExp(`^the data cannot be kept as JSON: ${path} is `));
      }
      assert.deepEqual(sent, []);
    });

    test(`is stored as JSON takes it where members are undefined, have a toJSON or are of a class, ${how}`, async () => {
      class Money {
        amount = 5;
      }
      const { place } = setupOf(workflowOf(statuses, { data: z.looseObject({}) }));
      const data = { note: undefined, at: new Date(0), price: new Money() };
      const { order } = taken(await place(data, { idempotencyKey }));
      assert.equal(order.dataJson, '{"at":"1970-01-01T00:00:00.000Z","price":{"amount":5}}');
    });
  }

  test("is refused as the app's fault where the schema makes what JSON has no word for, over HTTP too", async () => {
    const fault = (path: string) => cauceError("schema_unsupported", new RegExp(`"${path}" is a Map.*use types`));
    const made = workflowOf(statuses, { data: z.object({ tags: z.any().default(new Map()) }) });
    const put = workflowOf(statuses, {
      data: z.object({ tags: z.unknown().overwrite(() => new Map()) }),
    });
    for (const [workflow, body] of [
      [made, {}],
      [put, { tags: 1 }],
    ] as const) {
      const { place, sent } = setupOf(workflow);
      for (const kind of ["open", "process"] as const) {
        await assert.rejects(place(body, { who: { kind } }), fault("tags"));
      }
      assert.deepEqual(sent, []);
    }
  });

  test("is refused as the app's fault where its group throws or is no text", async () => {
    const thrown = new Error("no customer");
    for (const [group, message, cause] of [
      [
        () => {
          throw thrown;
        },
        /workflow "orders": group threw .*: no customer$/,
        thrown,
      ],
      [() => 7 as unknown as string, /workflow "orders": group gave number .*must give a text/, undefined],
    ] as const) {
      const { place, sent } = setupOf(workflowOf(statuses, { group }));
      await assert.rejects(place({}, { idempotencyKey: "k" }), (error: Error) => {
        assert.equal(error.cause, cause);
        return cauceError("workflow_invalid", message)(error);
      });
      assert.deepEqual(sent, []);
    }
  });

  test("has data or a group that the backend cannot hold, counted in bytes, and the message names the limit", async () => {
    const workflow = workflowOf(statuses, { group: (body) => (body as { g?: string }).g });
    const { place, sent } = setupOf(workflow, { dataBytesMax: 20, groupBytesMax: 4 });
    const big = refused(await place({ a: "€€€€€" }), "limit_exceeded");
    assert.match(big.message, /20 bytes/);
    const long = refused(await place({ g: "€€" }), "limit_exceeded");
    assert.match(long.message, /group key.* 4 bytes/);
    assert.deepEqual(sent, []);
    taken(await place({ a: "€€€€" }));
    taken(await place({ g: "€b" }));
    taken(await place({ a: "x".repeat(12) }));
    assert.deepEqual(
      sent.map(({ dataJson, group }) => [Buffer.byteLength(dataJson), group]),
      [
        [20, null],
        [12, "€b"],
        [20, null],
      ],
    );
  });

  test("has a group key with half of a surrogate pair, which every store would take for another's", async () => {
    const workflow = workflowOf(statuses, { group: (body) => (body as { g?: string }).g });
    const { place, sent } = setupOf(workflow);
    const { faults } = refused(await place({ g: "a\ud800" }), "invalid_data");
    assert.deepEqual(faults, [{ path: "group", message: "has half of a surrogate pair, which no UTF-8 can hold" }]);
    assert.deepEqual(sent, []);
  });

  test("is refused as the definition's fault where the schema has an asynchronous check", async () => {
    const { place, sent } = setupOf(workflowOf(statuses, { data: z.unknown().refine(async () => true) }));
    await assert.rejects(place({}), cauceError("schema_unsupported", /"orders".*asynchronous/));
    assert.deepEqual(sent, []);
  });
});

describe("an idempotency key", () => {
  test("gives the same order for the same content, however its JSON is ordered", async () => {
    const { place, backend } = setupOf();
    const first = taken(await place({ customerId: "c-1", amount: 2 }, { idempotencyKey: "k" }));
    const again = taken(await place({ amount: 2, customerId: "c-1" }, { idempotencyKey: "k" }));
    assert.deepEqual([first.placed, again.placed, again.order], [true, false, first.order]);
    const other = taken(await place({ customerId: "c-1", amount: 2 }, { idempotencyKey: "K" }));
    assert.notEqual(other.order.id, first.order.id);
    assert.equal((await backend.list({ limit: 10 })).items.length, 2);
  });

  test("gives a conflict that names the order for other content, and the content is the body as it came", async () => {
    const { place, backend } = setupOf();
    const first = taken(await place({ customerId: "c-1" }, { idempotencyKey: "k" }));
    const others = [{ customerId: "c-2" }, { customerId: "c-1", amount: 5 }, { customerId: "c-1", extra: null }];
    for (const body of others) {
      const refusal = refused(await place(body, { idempotencyKey: "k" }), "idempotency_conflict");
      assert.ok(refusal.message.includes(first.order.id), refusal.message);
    }
    assert.equal((await backend.list({ limit: 10 })).items.length, 1);
  });

  test("is stored as hashes, and never as it came", async () => {
    const { place, sent } = setupOf();
    taken(await place({ customerId: "c-1" }, { idempotencyKey: "secret" }));
    assert.match(sent[0]?.key?.keyHash ?? "", /^[0-9a-f]{64}$/);
    assert.match(sent[0]?.key?.contentHash ?? "", /^[0-9a-f]{64}$/);
  });

  test("places one order where it is used many times at once", async () => {
    const { place, backend } = setupOf();
    const results = await Promise.all(
      Array.from({ length: 20 }, () => place({ customerId: "c-1" }, { idempotencyKey: "k" })),
    );
    assert.equal(results.filter((result) => taken(result).placed).length, 1);
    assert.equal(new Set(results.map((result) => taken(result).order.id)).size, 1);
    assert.equal((await backend.list({ limit: 10 })).items.length, 1);
  });

  test("is refused with content that has no canonical JSON, which is stored without a key", async () => {
    const { place } = setupOf();
    const body = { customerId: "\ud800" };
    refused(await place(body, { idempotencyKey: "k" }), "invalid_data");
    assert.equal(taken(await place(body)).order.dataJson, '{"customerId":"\\ud800","amount":5}');
  });
});

test("placing rejects where the store takes no writes, and the caller is not told that the order is stored", async () => {
  const { backend, clock } = setupOf();
  for (const code of ["store_full", "store_unavailable"] as const) {
    const full: Backend = { ...backend, place: () => Promise.reject(new CauceError(code, "the disk is full")) };
    const place = createPlace(contextOf({ workflow: plain, backend: full, clock }));
    await assert.rejects(place({ customerId: "c-1" }), cauceError(code));
  }
  await backend.close();
  const place = createPlace(contextOf({ workflow: plain, backend, clock }));
  await assert.rejects(place({ customerId: "c-1" }), cauceError("closed"));
});

function nested(levels: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < levels; level++) value = [value];
  return value;
}

describe("orders that come in faster than the process can process them", () => {
  const instant = workflowOf({ received: { to: ["done"], concurrency: 2 }, done: final });

  test("wait, are refused with `overloaded` after their time, and leave nothing in the store", async (t) => {
    // The overload is real: a handler keeps the thread for most of the time, and more orders are ready than slots.
    const clock = systemClock();
    const intake = createIntake({ clock });
    const received = () => {
      const until = performance.now() + 50;
      while (performance.now() < until);
      return "done";
    };
    const { backend } = await openStoreOn(t, clock);
    const app = appOf(instant, { received });
    const kept = keptLog();
    const engine = createEngine({ app, backend, clock, random: Math.random, log: kept.log, actor, intake });
    t.after(() => engine.stop());
    await engine.start();
    const answers = await Promise.all(
      Array.from({ length: 40_000 }, (_, n) => engine.place({ n }, { bulk: true, idempotencyKey: `k-${n}` })),
    );
    const refusals = answers.flatMap((answer) => ("refused" in answer ? [answer.refused] : []));
    assert.ok(refusals.length > 0, "nothing was refused");
    assert.deepEqual(new Set(refusals), new Set(["overloaded"]));
    assert.equal(intake.state().refused, refusals.length);
    assert.equal(kept.of("more orders come in than are processed; some are refused").length, 1);
    assert.equal(await stored(engine), answers.length - refusals.length);
  });

  test("are all taken where it is their handlers that are slow, and wait in the store", async (t) => {
    const clock = systemClock();
    const intake = createIntake({ clock });
    const slow = controlled();
    const { backend } = await openStoreOn(t, clock);
    const app = appOf(workflowOf({ received: { to: ["done"], concurrency: 10 }, done: final }), {
      received: slow.handler,
    });
    const engine = createEngine({ app, backend, clock, random: Math.random, log: keptLog().log, actor, intake });
    t.after(async () => {
      for (const call of slow.calls) call.answer("done");
      await engine.stop();
    });
    await engine.start();
    const placings = Array.from({ length: 20_000 }, (_, n) => engine.place({ n }, { bulk: true }));
    for (const answer of await Promise.all(placings)) taken(answer);
    assert.equal(slow.calls.length, 10);
    assert.equal(await stored(engine), 20_000);
    assert.deepEqual(intake.state().refused, 0);
  });

  test("wait while reads pass: a read is answered before the placings that stand at the gate", async (t) => {
    const clock = fakeClock();
    const intake = createIntake({ clock, busyShare: () => 1 });
    intake.watch({ all: 2, isFull: () => true, handling: () => 0 });
    for (let passed = 0; passed < 2_000; passed += 5) {
      clock.advance(0.005);
      if (intake.enter("single") === undefined) intake.left(0);
    }
    const { width } = intake.state();
    const { backend } = await openStoreOn(t, systemClock());
    const app = appOf(instant, { received: () => "done" });
    const engine = createEngine({ app, backend, clock, random: Math.random, log: keptLog().log, actor, intake });
    // The store has these under way, and the gate is full, for as long as this turn of the event loop lasts.
    const placings = Array.from({ length: width + 50 }, (_, n) => engine.place({ n }));
    assert.deepEqual(intake.state(), { width, placing: width, waiting: 50, refused: 0 });
    const answered: string[] = [];
    for (const placing of placings.slice(width)) void placing.then(() => answered.push("placing"));
    await Promise.all([
      engine.list({ limit: 1 }).then(() => answered.push("list")),
      engine.failures().then(() => answered.push("failures")),
    ]);
    assert.deepEqual(answered.sort(), ["failures", "list"]);
    for (const answer of await Promise.all(placings)) taken(answer);
  });

  const limits = memory().limits;
  const away = new CauceError("store_unavailable", "the store is away");
  const stores: Record<string, Partial<Backend>> = {
    "the store takes": {},
    "the store refuses": { place: () => Promise.reject(away) },
    "a store's code throws for": {
      place() {
        throw away;
      },
    },
    "is too large": { limits: { ...limits, dataBytesMax: 1 } },
  };
  for (const [what, parts] of Object.entries(stores)) {
    test(`leaves the gate once, with as much data as it took: one that ${what}`, async () => {
      const clock = fakeClock();
      const gate = createIntake({ clock });
      let characters = 0;
      const intake: Intake = {
        ...gate,
        took(more) {
          characters += more;
          gate.took(more);
        },
        left(fewer) {
          characters -= fewer;
          gate.left(fewer);
        },
      };
      const place = createPlace(
        contextOf({ workflow: plain, backend: { ...memory({ clock }), ...parts }, clock, intake }),
      );
      await Promise.allSettled([place({ customerId: "c-1" }), place({ customerId: 1 })]);
      assert.deepEqual([gate.state().placing, characters], [0, 0]);
    });
  }
});

/** How many orders the store holds. */
async function stored(engine: Engine): Promise<number> {
  let count = 0;
  let cursor: string | undefined;
  do {
    const page = await engine.list({ limit: 1_000, cursor });
    count += page.items.length;
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  return count;
}

async function openStoreOn(t: TestContext, clock: Clock) {
  const { directory, remove } = temporaryDirectory();
  const backend = await openSqlite(directory, { clock });
  t.after(async () => {
    await backend.close();
    remove();
  });
  return { backend };
}
