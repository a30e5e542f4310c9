import assert from "node:assert/strict";
import { it } from "node:test";
import { z } from "zod";
import { systemClock } from "../../src/core/clock.ts";
import { decide } from "../../src/core/decide.ts";
import { defineWorkflow } from "../../src/core/defineWorkflow.ts";
import { fingerprintOf } from "../../src/core/fingerprint.ts";
import { implement } from "../../src/core/handlers.ts";
import { final } from "../../src/core/workflow.ts";
import { given } from "../../src/testing/given.ts";

const define = defineWorkflow as unknown as (o: unknown) => ReturnType<typeof defineWorkflow>;
const W = (open: object, more: object = {}) =>
  define({
    name: "w",
    data: z.object({}),
    initial: "open",
    statuses: { open: { to: ["done"], ...open }, done: final, ...more },
  });
const invalid = { code: "workflow_invalid" };
const down = { kind: "failed", code: "handler_failed", message: "down" } as const;

it("1 retry.attempts undefined keeps the default", () => {
  given(W({ retry: { attempts: undefined } }), { attempts: 99 })
    .when(down)
    .then({ failure: { code: "handler_failed" } });
});
it("1b retry.baseSeconds undefined keeps the default", () => {
  given(W({ retry: { baseSeconds: undefined } }))
    .when(down)
    .then({ notBefore: 500 });
});
it("2 a null status that another names", () => assert.throws(() => W({ to: ["held"] }, { held: null }), invalid));
it("2b retry null", () => assert.throws(() => W({ retry: null }), invalid));
it("2c expires null", () => assert.throws(() => W({ waits: true, expires: null }), invalid));
it("2d retry 5", () => assert.throws(() => W({ retry: 5 }), invalid));
it("2e waits 'no'", () => assert.throws(() => W({ waits: "no" }), invalid));
it("2f final 'no'", () => assert.throws(() => W({}, { end: { final: "no" } }), invalid));
it("2g retired 'no'", () => assert.throws(() => W({}, { old: { to: ["done"], retired: "no" } }), invalid));
it("3 implement resources object", () =>
  assert.throws(
    () =>
      (implement as unknown as (w: unknown, o: unknown) => unknown)(W({}), {
        resources: { db: 1 },
        handlers: { open: () => "done" },
      }),
    { code: "app_invalid" },
  ));
it("3b implement without options", () =>
  assert.throws(() => (implement as unknown as (w: unknown) => unknown)(W({})), { code: "app_invalid" }));
it("4 fingerprint ids of growing length", () =>
  assert.equal(fingerprintOf("order c-999 lost"), fingerprintOf("order c-1000 lost")));
it("4b fingerprint decimals", () => assert.equal(fingerprintOf("took 99999.5 ms"), fingerprintOf("took 123456.5 ms")));
it("4c fingerprint quoted values", () =>
  assert.equal(fingerprintOf('no user "alice"'), fingerprintOf('no user "bob"')));
it("4d fingerprint well formed", () => assert.ok(fingerprintOf(`${"x".repeat(199)}😀`).isWellFormed()));
it("4e fingerprint negative", () => assert.equal(fingerprintOf("stock is -5"), fingerprintOf("stock is 5")));
it("4f hex without digits", () =>
  assert.equal(fingerprintOf("no blob deadbeefdeadbeefdeadbeef"), fingerprintOf("no blob 9f86d081884c7d659a2feaa0")));
it("5 transform by pipe", () =>
  assert.throws(
    () =>
      define({
        name: "w",
        data: z.object({ n: z.string().transform(Number).pipe(z.number()) }),
        initial: "open",
        statuses: { open: { to: ["done"] }, done: final },
      }),
    { code: "schema_unsupported" },
  ));
it("5b stringbool", () =>
  assert.throws(
    () =>
      define({
        name: "w",
        data: z.object({ n: z.stringbool() }),
        initial: "open",
        statuses: { open: { to: ["done"] }, done: final },
      }),
    { code: "schema_unsupported" },
  ));
it("6 a results schema with an async check does not make decide throw", () => {
  const w = define({
    name: "w",
    data: z.object({}),
    results: z.object({ t: z.string().refine(async () => true) }),
    initial: "open",
    statuses: { open: { to: ["done"] }, done: final },
  });
  const by = { runtime: "node", name: "n", requestId: null, messageId: null } as const;
  assert.doesNotThrow(() =>
    decide(
      given(w).order,
      { kind: "moved", to: "done", results: { t: "x" } },
      { workflow: w, now: 0, random: () => 0, by },
    ),
  );
});
it("7 clock stepped back", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000_000 });
  const clock = systemClock();
  let at = 0;
  clock.at(1_010_000, () => (at = Date.now()));
  const real = Date.now;
  t.mock.method(Date, "now", () => real() - 5_000);
  t.mock.timers.tick(10_000);
  assert.ok(at === 0 || at >= 1_010_000, `called back at ${at}`);
});
it("8 unknown, not yet marked: an operator can move it", () => {
  given(W({}), { status: "gone", kind: "waiting" }).when({ kind: "requested", to: "done" }).then({ status: "done" });
});
it("9 Map results", () => {
  given(W({}))
    .when({ kind: "moved", to: "done", results: new Map([["a", 1]]) })
    .then({ failure: { code: "invalid_results" } });
});
it("9b undefined does not erase a result", () => {
  given(W({}), { results: { t: "x" } })
    .when({ kind: "moved", to: "done", results: { t: undefined } })
    .then({ results: { t: "x" } });
});
it("9c toJSON", () => {
  given(W({}))
    .when({ kind: "moved", to: "done", results: { toJSON: () => "boo" } })
    .then({ failure: { code: "invalid_results" } });
});
it("10 waiting is never delivered again", () => {
  const w = W({ waits: true });
  const { decision } = given(w).when(down);
  assert.ok("refused" in decision || decision.change.delivery === "end");
});
it("11 frozen statuses", () => {
  const w = W({});
  assert.ok(Object.isFrozen(w.statuses));
});
