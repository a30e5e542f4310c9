import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { defineWorkflow, final, implement } from "cauce";
import { z } from "zod";
import ordersApp from "../../examples/orders/orders.app.ts";
import { type Announcement, announce, deliveryOf } from "../../src/cli/start.ts";
import { sampleData } from "../../src/core/sample.ts";

const announcement: Announcement = {
  version: "1.2.3",
  apps: [ordersApp],
  host: "127.0.0.1",
  port: 3_000,
  basePath: undefined,
  store: [["data", "/var/lib/shop"]],
  role: "all",
  delivery: "standard",
  keys: 0,
};

const claims = implement(
  defineWorkflow({
    name: "claims",
    data: z.object({ text: z.string().meta({ examples: ["it's broken"] }) }),
    initial: "filed",
    statuses: { filed: { to: ["paid"] }, paid: final },
  }),
  { handlers: { filed: () => "paid" } },
);

describe("announce", () => {
  it("names the delivery once where all workflows have one, and else that of each", () => {
    assert.equal(deliveryOf(new Map([["orders", "fifo"]])), "fifo");
    const [orders, claims] = [["orders", "fifo"] as const, ["claims", "standard"] as const];
    assert.equal(deliveryOf(new Map([orders, claims])), "orders fifo, claims standard");
  });

  it("prints the server's address, the data's place and commands to try, in aligned columns", () => {
    assert.equal(
      announce(announcement),
      `Cauce 1.2.3 listens on http://127.0.0.1:3000

  orders     http://127.0.0.1:3000/orders
  delivery   standard
  data       /var/lib/shop
  keys       none; only this machine can reach it

Place an order, and see where it stands:
  curl -i http://127.0.0.1:3000/orders -H 'content-type: application/json' -d '{"customerId":"c-1","currency":"EUR","items":[{"sku":"TEA-1","quantity":2,"unitPrice":4.5}]}'
  curl http://127.0.0.1:3000/orders

Ctrl+C stops it, after the requests and handlers under way.
`,
    );
  });

  it("shows several workflows under a base path, and quotes for a shell", () => {
    const text = announce({ ...announcement, apps: [ordersApp, claims], basePath: "/shop" });
    assert.match(
      text,
      /^ {2}orders {5}http:\/\/127\.0\.0\.1:3000\/shop\/orders\n {2}claims {5}http.*\/shop\/claims\n/m,
    );
    assert.match(text, /curl -i http:\/\/127\.0\.0\.1:3000\/shop\/claims .* -d '\{"text":"it'\\''s broken"\}'\n/);
  });

  it("prints an address that can be called, whatever the server is bound to, and says that a key is needed", () => {
    const everywhere = announce({ ...announcement, host: "0.0.0.0", keys: 2 });
    assert.match(everywhere, /listens on http:\/\/127\.0\.0\.1:3000 \(and every other address of this machine\)\n/);
    assert.match(everywhere, /keys +2\n/);
    assert.match(everywhere, /curl -H 'authorization: Bearer KEY' http/);
    assert.match(announce({ ...announcement, host: "::1" }), /listens on http:\/\/\[::1\]:3000\n/);
  });

  it("prints no command that places orders for a worker", () => {
    const text = announce({ ...announcement, role: "work", store: [["queues", "orders-paid-dev"]] });
    assert.match(
      text,
      /listens on http:\/\/127\.0\.0\.1:3000\n\n {2}delivery +standard\n {2}queues +orders-paid-dev\n\nIt works/,
    );
    assert.doesNotMatch(text, /curl|keys/);
  });

  it("says how to give an example where none can be made up", () => {
    const app = implement(
      defineWorkflow({
        name: "claims",
        data: z.object({ code: z.string().regex(/^[A-Z]\d{4}$/) }),
        initial: "filed",
        statuses: { filed: { to: ["paid"] }, paid: final },
      }),
      { handlers: { filed: () => "paid" } },
    );
    assert.match(announce({ ...announcement, apps: [app] }), /-d @order\.json.*\.meta\(\{ examples:/);
  });
});

describe("sampleData", () => {
  it("is the schema's own example where it has one", () => {
    assert.deepEqual(sampleData(z.object({ a: z.string() }).meta({ examples: [{ a: "mine" }] })), { a: "mine" });
    assert.deepEqual(sampleData(z.object({ a: z.string().meta({ examples: ["mine"] }) })), { a: "mine" });
  });

  it("is data that the schema takes", () => {
    const schema = z.strictObject({
      name: z.string().min(8).max(10),
      email: z.email(),
      id: z.uuid(),
      at: z.iso.datetime(),
      day: z.iso.date(),
      site: z.url(),
      count: z.int().min(5),
      share: z.number().gt(0),
      most: z.number().max(-1),
      many: z.array(z.object({ sku: z.string() })).min(2),
      pair: z.tuple([z.string(), z.number()]),
      kind: z.enum(["a", "b"]),
      only: z.literal("x"),
      sure: z.boolean(),
      nothing: z.null(),
      either: z.union([z.number(), z.string()]),
      tags: z.record(z.string(), z.string()),
      left: z.string().optional(),
      preset: z.string().default("d"),
    });
    const sample = sampleData(schema);
    assert.ok(schema.safeParse(sample).success);
    assert.ok(!Object.hasOwn(sample as object, "left"));
  });

  it("is undefined where a check of the schema refuses what was made up", () => {
    assert.equal(sampleData(z.object({ a: z.string().refine((text) => text === "secret") })), undefined);
    assert.equal(sampleData(z.object({ a: z.string().refine(async () => true) })), undefined);
  });
});
