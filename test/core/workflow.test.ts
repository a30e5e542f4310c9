import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { z } from "zod";
import { defineWorkflow } from "../../src/core/defineWorkflow.ts";
import type { ErrorCode } from "../../src/core/errors.ts";
import { delaySecondsMax } from "../../src/core/errors.ts";
import { type AnyWorkflow, faultsOf, final, handledStatuses, kindOf, statusOf } from "../../src/core/workflow.ts";

const data = z.object({ customerId: z.string() });
const fine = { name: "orders", data, initial: "open", statuses: { open: { to: ["done"] }, done: final } };

/** Is `defineWorkflow` as plain JavaScript can call it: with any options. */
const define = defineWorkflow as unknown as (options: unknown) => AnyWorkflow;
const defineStatuses = (statuses: unknown, more: object = {}) => define({ ...fine, statuses, ...more });
/** Defines a workflow whose initial, handled status has these fields. */
const defineOpen = (fields: object) => defineStatuses({ open: { to: ["done"], ...fields }, done: final });
const defineWaiting = (fields: object) => defineOpen({ waits: true, ...fields });

describe("defineWorkflow", () => {
  it("returns its options with the defaults, frozen, the statuses as well", () => {
    const workflow = defineWorkflow({
      name: "orders",
      data,
      initial: "open",
      statuses: { open: { to: ["done"] }, done: final },
    });
    assert.deepEqual(
      [workflow.name, workflow.data, workflow.results, workflow.group, workflow.initial, workflow.visitsMax],
      ["orders", data, undefined, undefined, "open", 100],
    );
    assert.deepEqual(workflow.statuses, { open: { to: ["done"] }, done: { final: true } });
    assert.ok(Object.isFrozen(workflow) && Object.isFrozen(workflow.statuses));
  });

  it("keeps options that have defaults as they were given", () => {
    const results = z.object({ tracking: z.string() }).partial();
    const group = (order: { customerId: string }) => order.customerId;
    const workflow = define({ ...fine, results, group, visitsMax: 7 });
    assert.deepEqual([workflow.results, workflow.group, workflow.visitsMax], [results, group, 7]);
  });

  describe("options that fit", () => {
    const taken: readonly (readonly [what: string, make: () => AnyWorkflow])[] = [
      ["a name of one letter", () => define({ ...fine, name: "o" })],
      ["a name of 40 characters", () => define({ ...fine, name: `o${"x".repeat(39)}` })],
      ["names that every object has", () => defineStatuses({ open: { to: ["constructor"] }, constructor: final })],
      ["the longest timeoutSeconds", () => defineOpen({ timeoutSeconds: 43_200 })],
      [
        "a fraction of a second",
        () => defineOpen({ timeoutSeconds: 0.1, retry: { baseSeconds: 0.01, maxSeconds: 0.1 } }),
      ],
      ["the longest delays", () => defineOpen({ retry: { baseSeconds: 1, maxSeconds: delaySecondsMax } })],
      ["the longest expiry", () => defineWaiting({ expires: { afterSeconds: delaySecondsMax, to: "done" } })],
      ["a status that follows itself", () => defineOpen({ to: ["open", "done"] })],
      ["an expiry to the status itself", () => defineWaiting({ expires: { afterSeconds: 1, to: "open" } })],
      [
        "an exhausted that `to` does not list",
        () => defineStatuses({ open: { to: ["done"], exhausted: "bad" }, done: final, bad: final }),
      ],
      [
        "a retired status that nothing names",
        () => defineStatuses({ ...fine.statuses, old: { to: ["done"], retired: true } }),
      ],
      [
        "a retired waiting status",
        () => defineStatuses({ ...fine.statuses, old: { to: ["done"], waits: true, retired: true } }),
      ],
      ["a waiting initial status", () => defineWaiting({})],
      ["a date as text", () => define({ ...fine, data: z.object({ at: z.iso.datetime() }) })],
    ];
    for (const [what, make] of taken) it(`defineWorkflow takes ${what}`, () => assert.doesNotThrow(make));
  });

  describe("options that do not fit", () => {
    const names = /use one of open, done/;
    const refused: readonly (readonly [what: string, make: () => unknown, ...patterns: RegExp[]])[] = [
      ["no options", () => define(undefined), /the name must match/],
      ["no name", () => define({ ...fine, name: undefined }), /the name must match/],
      ["a name with a capital first", () => define({ ...fine, name: "Orders" }), /workflow "Orders"/, /\^\[a-z\]/],
      ["a name with a hyphen", () => define({ ...fine, name: "my-orders" }), /the name must match/],
      ["a name of 41 characters", () => define({ ...fine, name: `o${"x".repeat(40)}` }), /the name must match/],
      ...["healthz", "readyz", "queues", "events", "metrics", "stats", "docs", "assets", "openapi"].map(
        (name) =>
          [
            `the server's own route "${name}" as a name`,
            () => define({ ...fine, name }),
            new RegExp(`workflow "${name}"`),
            /own routes; choose another/,
          ] as const,
      ),
      ["an unknown option", () => define({ ...fine, visitMax: 3 }), /"visitMax"/, /it takes name, data, .*visitsMax/],
      ["no statuses", () => define({ ...fine, statuses: undefined }), /statuses is empty; name at least/],
      ["empty statuses", () => defineStatuses({}), /statuses is empty; name at least/],
      ["no initial", () => define({ ...fine, initial: undefined }), /initial names "undefined"/, names],
      ["an initial that is no status", () => define({ ...fine, initial: "opened" }), /initial names "opened"/, names],
      [
        "an initial that every object has",
        () => define({ ...fine, initial: "toString" }),
        /initial names "toString"/,
        names,
      ],
      ["a final initial", () => define({ ...fine, initial: "done" }), /initial names "done", which is final/],
      ["a retired initial", () => defineOpen({ retired: true }), /initial names "open", which is retired/],
      ...[0, -1, 1.5, "3", null, Number.NaN].map(
        (visitsMax) =>
          [
            `a visitsMax of ${visitsMax}`,
            () => define({ ...fine, visitsMax }),
            /visitsMax must be a whole number from 1/,
          ] as const,
      ),
      [
        "a status name with a space",
        () => defineStatuses({ ...fine.statuses, "on hold": { to: ["done"] } }),
        /status "on hold": the name must match/,
      ],
      [
        "a status that is text",
        () => defineStatuses({ ...fine.statuses, held: "final" }),
        /status "held" must be an object or final/,
      ],
      [
        "a status that is null",
        () => defineStatuses({ ...fine.statuses, held: null }),
        /status "held" must be an object or final/,
      ],
      [
        "a status that is null and that another status names",
        () => defineStatuses({ ...fine.statuses, open: { to: ["held"] }, held: null }),
        /status "held" must be an object or final/,
      ],
      ...[null, 5].map(
        (retry) =>
          [
            `a retry that is ${retry}`,
            () => defineOpen({ retry }),
            /status "open": retry must be an object, such as \{ attempts,/,
          ] as const,
      ),
      [
        "an expires that is null",
        () => defineWaiting({ expires: null }),
        /status "open": expires must be an object, such as \{ afterSeconds, to \}/,
      ],
      ["a waits that is text", () => defineOpen({ waits: "no" }), /status "open": waits must be true or left out/],
      [
        "a final that is text",
        () => defineStatuses({ ...fine.statuses, end: { final: "no" } }),
        /status "end": final must be true or left out/,
      ],
      [
        "a retired that is text",
        () => defineStatuses({ ...fine.statuses, old: { to: ["done"], retired: "no" } }),
        /status "old": retired must be true or left out/,
      ],
      [
        "an unknown option of a handled status",
        () => defineOpen({ retries: 3 }),
        /status "open" has the unknown option "retries"/,
        /it takes to, timeoutSeconds,.*retry/,
      ],
      [
        "a misspelt final",
        () => defineStatuses({ ...fine.statuses, bad: { finale: true } }),
        /status "bad" has the unknown option "finale"/,
      ],
      [
        "an expiry of a handled status",
        () => defineOpen({ expires: { afterSeconds: 1, to: "done" } }),
        /status "open" has the unknown option "expires"/,
      ],
      ...["timeoutSeconds", "concurrency", "retry", "exhausted"].map(
        (key) =>
          [
            `a waiting status with ${key}`,
            () => defineWaiting({ [key]: 1 }),
            new RegExp(`status "open" has the unknown option "${key}"`),
            /it takes to, waits, expires, retired/,
          ] as const,
      ),
      [
        "a to of a final status",
        () => defineStatuses({ ...fine.statuses, end: { final: true, to: ["open"] } }),
        /status "end" is final and has the unknown option "to"/,
      ],
      [
        "a retired final status",
        () => defineStatuses({ ...fine.statuses, end: { final: true, retired: true } }),
        /status "end" is final/,
      ],
      [
        "a handled status without to",
        () => defineOpen({ to: undefined }),
        /status "open": to must list at least one status/,
        /make it final/,
      ],
      ["an empty to", () => defineOpen({ to: [] }), /status "open": to must list at least one status/],
      ["a to that is text", () => defineOpen({ to: "done" }), /status "open": to must be a list, such as \["done"\]$/],
      [
        "a to that is no status",
        () => defineOpen({ to: ["done", "gone"] }),
        /status "open": to names "gone", which is no status/,
        names,
      ],
      ["a to that every object has", () => defineOpen({ to: ["valueOf"] }), /status "open": to names "valueOf"/, names],
      ["a status twice in to", () => defineOpen({ to: ["done", "done"] }), /status "open": to lists a status twice/],
      ["a waiting status without to", () => defineWaiting({ to: [] }), /status "open": to must list at least one/],
      ...[
        ["to", { to: ["done", "old"] }],
        ["exhausted", { exhausted: "old" }],
        ["expires.to", { waits: true, expires: { afterSeconds: 1, to: "old" } }],
      ].map(
        ([field, fields]) =>
          [
            `a retired status in ${field}`,
            () =>
              defineStatuses({
                open: { to: ["done"], ...(fields as object) },
                done: final,
                old: { to: ["done"], retired: true },
              }),
            new RegExp(`status "open": ${field} names "old", which is retired; nothing may enter it`),
          ] as const,
      ),
      [
        "an exhausted that is no status",
        () => defineOpen({ exhausted: "gone" }),
        /status "open": exhausted names "gone"/,
        names,
      ],
      [
        "an exhausted that names its own status",
        () => defineOpen({ exhausted: "open" }),
        /status "open": exhausted names the status itself/,
        /leave it out/,
      ],
      [
        "an expiry to no status",
        () => defineWaiting({ expires: { afterSeconds: 1, to: "gone" } }),
        /status "open": expires.to names "gone"/,
        names,
      ],
      [
        "an expiry without a time",
        () => defineWaiting({ expires: { to: "done" } }),
        /status "open": expires.afterSeconds must be a number above 0/,
      ],
      [
        "an expiry without a status",
        () => defineWaiting({ expires: { afterSeconds: 1 } }),
        /status "open": expires.to names "undefined"/,
      ],
      [
        "an unknown option of expires",
        () => defineWaiting({ expires: { after: 1, to: "done" } }),
        /status "open": expires has the unknown option "after"/,
        /afterSeconds, to/,
      ],
      [
        "an unknown option of retry",
        () => defineOpen({ retry: { tries: 1 } }),
        /status "open": retry has the unknown option "tries"/,
        /attempts, baseSeconds, maxSeconds/,
      ],
      ...[0, -1, Number.NaN, Number.POSITIVE_INFINITY, "10", null].flatMap((value) => [
        [
          `a timeoutSeconds of ${value}`,
          () => defineOpen({ timeoutSeconds: value }),
          /status "open": timeoutSeconds must be a number above 0 up to 43200/,
        ] as const,
        [
          `a concurrency of ${value}`,
          () => defineOpen({ concurrency: value }),
          /status "open": concurrency must be a whole number from 1/,
        ] as const,
        [
          `a retry.attempts of ${value}`,
          () => defineOpen({ retry: { attempts: value } }),
          /status "open": retry.attempts must be a whole number from 1/,
        ] as const,
        [
          `a retry.baseSeconds of ${value}`,
          () => defineOpen({ retry: { baseSeconds: value } }),
          /status "open": retry.baseSeconds must be a number above 0/,
        ] as const,
        [
          `a retry.maxSeconds of ${value}`,
          () => defineOpen({ retry: { maxSeconds: value } }),
          /status "open": retry.maxSeconds must be a number above 0/,
        ] as const,
        [
          `an expiry after ${value}`,
          () => defineWaiting({ expires: { afterSeconds: value, to: "done" } }),
          /status "open": expires.afterSeconds must be a number above 0/,
        ] as const,
      ]),
      [
        "a timeoutSeconds over 12 h",
        () => defineOpen({ timeoutSeconds: 43_201 }),
        /timeoutSeconds must be a number above 0 up to 43200/,
      ],
      ["a concurrency of one and a half", () => defineOpen({ concurrency: 1.5 }), /concurrency must be a whole number/],
      [
        "a retry.attempts of one and a half",
        () => defineOpen({ retry: { attempts: 1.5 } }),
        /retry.attempts must be a whole number/,
      ],
      ...["baseSeconds", "maxSeconds"].map(
        (key) =>
          [
            `a retry.${key} over 100 years`,
            () => defineOpen({ retry: { [key]: delaySecondsMax + 1 } }),
            new RegExp(`status "open": retry.${key} must be .* up to ${delaySecondsMax}`),
          ] as const,
      ),
      [
        "an expiry after 100 years",
        () => defineWaiting({ expires: { afterSeconds: delaySecondsMax + 1, to: "done" } }),
        /up to 3155760000/,
      ],
      ["no data schema", () => define({ ...fine, data: undefined }), /data must be a zod schema/],
      [
        "a data schema of another kind",
        () => define({ ...fine, data: { type: "object" } }),
        /data must be a zod schema/,
      ],
      [
        "a results schema of another kind",
        () => define({ ...fine, results: { type: "object" } }),
        /results must be a zod schema/,
      ],
      [
        "a group that is a name",
        () => define({ ...fine, group: "customerId" }),
        /group must be a function of the data/,
      ],
    ];
    for (const [what, make, ...patterns] of refused) {
      it(`defineWorkflow refuses ${what}, naming the place and the fix`, () =>
        refuses(make, "workflow_invalid", patterns));
    }

    const unsupported: readonly (readonly [what: string, field: string, schema: z.ZodType])[] = [
      ["a date", "data", z.object({ at: z.date() })],
      ["a transform", "data", z.object({ n: z.string().transform(Number) })],
      ["a transform in a pipe", "data", z.object({ n: z.string().transform(Number).pipe(z.number()) })],
      ["a stringbool", "data", z.object({ n: z.stringbool() })],
      ["a bigint", "data", z.object({ n: z.bigint() })],
      ["a map", "data", z.object({ m: z.map(z.string(), z.string()) })],
      ["a date in the results", "results", z.object({ at: z.date() }).partial()],
    ];
    for (const [what, field, schema] of unsupported) {
      it(`defineWorkflow refuses ${what}, which has no JSON Schema`, () => {
        refuses(() => define({ ...fine, [field]: schema }), "schema_unsupported", [
          new RegExp(`${field} has no JSON Schema`),
          /use types that JSON has/,
        ]);
      });
    }
  });
});

function refuses(make: () => unknown, code: ErrorCode, patterns: readonly RegExp[]): void {
  assert.ok(patterns.length > 0);
  for (const pattern of [...patterns, /^workflow ".*": /]) {
    assert.throws(make, { name: "CauceError", code, message: pattern });
  }
  assert.throws(make, { message: /^[^\n]+$/ });
}

describe("the questions that other modules ask of a workflow", () => {
  const workflow = defineStatuses({
    open: { to: ["held"] },
    held: { to: ["late"], waits: true },
    late: { to: ["done"], retired: false },
    done: final,
  });

  it("kindOf tells handled, waiting and final", () => {
    const kinds = Object.keys(workflow.statuses).map((name) => kindOf(statusOf(workflow, name) ?? final));
    assert.deepEqual(kinds, ["handled", "waiting", "handled", "final"]);
  });

  it("statusOf knows the workflow's statuses and nothing that every object has", () => {
    assert.equal(statusOf(workflow, "done"), final);
    for (const name of ["gone", "", "constructor", "__proto__", "toString"]) {
      assert.equal(statusOf(workflow, name), undefined);
    }
  });

  it("handledStatuses lists the handled statuses in the definition's order", () => {
    assert.deepEqual(handledStatuses(workflow), ["open", "late"]);
  });

  it("faultsOf gives the path and the message of each fault", () => {
    const schema = z.object({ items: z.array(z.object({ sku: z.string() })) });
    const { error } = schema.safeParse({ items: [{ sku: "a" }, { sku: 5 }] });
    assert.ok(error);
    assert.deepEqual(
      faultsOf(error).map(({ path }) => path),
      ["items.1.sku"],
    );
    const whole = schema.safeParse(5).error;
    assert.ok(whole);
    assert.equal(faultsOf(whole)[0]?.path, "");
  });
});
