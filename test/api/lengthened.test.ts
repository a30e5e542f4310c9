import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Operation } from "../../src/api/operation.ts";
import { operations } from "../../src/api/operations.ts";
import { memory } from "../../src/backend/memory/memory.ts";
import { openCauce } from "../../src/cauce.ts";
import { createProgram } from "../../src/cli/main.ts";
import { clientOver } from "../../src/client/createClient.ts";
import { fakeClock } from "../../src/testing/fakeClock.ts";
import { parcels, parcelsApp } from "../client/support.ts";
import { longer, longerWire } from "./support.ts";

const log = { info: () => {}, warn: () => {}, error: () => {} };

/** Opens a Cauce with the added operations, and a client that calls it without a network. */
async function opened(given: readonly Operation[] = longer) {
  const cauce = await openCauce({ apps: parcelsApp, backend: memory, clock: fakeClock(), log }, undefined, given);
  const fetch = async (url: string, init: RequestInit) => cauce.fetch(new Request(url, init));
  const client = clientOver({ url: "http://shop.example/parcels", fetch, retries: 0 }, longerWire);
  return { cauce, client, [Symbol.asyncDispose]: () => cauce.close() };
}

interface Described {
  readonly paths: Readonly<Record<string, Readonly<Record<string, { operationId: string; "x-role": string }>>>>;
}

describe("an operation that is added to the list", () => {
  it("has a route, an entry in the OpenAPI document, and a call in the client and in the library", async () => {
    await using shop = await opened();
    const { order } = await shop.client.place({ to: "Ada" });

    const byClient = (await shop.client.call("inspect", { id: order.id, note: "dented" })) as typeof order;
    assert.deepEqual([byClient.id, byClient.results], [order.id, { note: "dented" }]);
    const byLibrary = await shop.cauce.workflow(parcels).call("inspect", { id: order.id, note: "dented" });
    assert.deepEqual(byLibrary, byClient);

    const response = await shop.cauce.fetch(new Request("http://shop.example/openapi.json"));
    const { paths } = (await response.json()) as Described;
    const described = paths["/parcels/{id}/inspections"]?.post;
    assert.deepEqual([described?.operationId, described?.["x-role"]], ["parcels.inspect", "operate"]);
    assert.equal(paths["/weights"]?.get?.operationId, "weigh");
  });

  it("is checked and refused as any other", async () => {
    await using shop = await opened();
    const { order } = await shop.client.place({ to: "Ada" });
    const orders = shop.cauce.workflow("parcels");
    for (const call of [shop.client.call, orders.call]) {
      await assert.rejects(call("inspect", { id: order.id }), { code: "invalid_request", message: /note/ });
      await assert.rejects(call("inspect", { id: order.id, note: "x", depth: 10 }), { code: "invalid_request" });
      await assert.rejects(call("inspect", { id: "none", note: "x" }), { code: "order_not_found" });
      await assert.rejects(call("ponder", {}), { code: "invalid_request", message: /no operation "ponder".*inspect/ });
      await assert.rejects(call("placeMany", {}), { code: "invalid_request", message: /no operation "placeMany"/ });
    }
    await assert.rejects(shop.client.call("inspect", { id: "batch", note: "x" }), { code: "order_not_found" });
  });

  it("answers for each workflow where its scope is the server", async () => {
    await using shop = await opened();
    assert.deepEqual(await shop.client.call("weigh"), { kilograms: "parcels".length });
    const response = await shop.cauce.fetch(new Request("http://shop.example/weights"));
    assert.deepEqual(await response.json(), { workflows: [{ workflow: "parcels", weigh: { kilograms: 7 } }] });
  });

  it("takes its fields from the query where it has no body", async () => {
    await using shop = await opened();
    const { order } = await shop.client.place({ to: "Ada" });
    const orders = shop.cauce.workflow("parcels");
    for (const call of [shop.client.call, orders.call]) {
      assert.equal(await call("discard", { id: order.id, reason: "twice" }), undefined);
      await assert.rejects(call("discard", { id: order.id, reason: "none" }), { code: "order_not_found" });
      await assert.rejects(call("discard", { id: order.id }), { code: "invalid_request", message: /reason/ });
    }
    const { paths } = (await (await shop.cauce.fetch(new Request("http://shop.example/openapi.json"))).json()) as {
      paths: Record<
        string,
        { delete: { parameters: { name: string; in: string; required: boolean }[]; requestBody?: 1 } }
      >;
    };
    const { parameters, requestBody } = paths["/parcels/{id}/drafts"]?.delete ?? { parameters: [] };
    assert.equal(requestBody, undefined);
    assert.deepEqual(
      parameters.map((each) => [each.name, each.in, each.required]),
      [
        ["id", "path", true],
        ["reason", "query", true],
        ["to", "query", false],
        ["X-Request-Id", "header", false],
      ],
    );
  });

  it("may take a body where its scope is the server, and its answer is in the OpenAPI document", async () => {
    await using shop = await opened();
    assert.deepEqual(await shop.client.call("shake", { times: 3 }), { shaken: 3 });
    await assert.rejects(shop.client.call("shake", { times: 0 }), { code: "invalid_request" });
    const { components } = (await (await shop.cauce.fetch(new Request("http://shop.example/openapi.json"))).json()) as {
      components: { schemas: Record<string, { properties: { workflows: { items: { properties: object } } } }> };
    };
    assert.deepEqual(components.schemas.Shake?.properties.workflows.items.properties, {
      workflow: { type: "string" },
      shake: { type: "object", properties: { shaken: { type: "integer" } }, required: ["shaken"] },
    });
  });

  it("has no route while the list does not hold it", async () => {
    await using shop = await opened(operations);
    await assert.rejects(shop.client.call("inspect", { id: "1", note: "x" }), { code: "route_not_found" });
    await assert.rejects(shop.cauce.workflow("parcels").call("inspect", {}), { code: "invalid_request" });
  });

  it("is a command, whose arguments, flags and help follow from it", async () => {
    await using shop = await opened();
    const { order } = await shop.client.place({ to: "Ada" });
    let out = "";
    const output = { out: (text: string) => void (out += text), err: () => {} };
    const run = async (...args: string[]) => {
      out = "";
      await createProgram(args, output, longer).parseAsync(args, { from: "user" });
      return out;
    };
    await assert.rejects(run("inspect", "--help"), { code: "commander.helpDisplayed" });
    for (const part of [
      /Inspects an order\./,
      /inspect \[options\] <id> <note>/,
      /note +what the inspector saw/,
      /--depth <number> +how far to look/,
      /--closely +look twice/,
      /--idempotency-key <key>/,
      /\$ cauce inspect ID dented --depth 2/,
    ]) {
      assert.match(out, part);
    }
    const { fetch } = globalThis;
    globalThis.fetch = async (url, init) => shop.cauce.fetch(new Request(url as string, init));
    try {
      const printed = await run("inspect", order.id, "dented", "--depth", "2", "--workflow", "parcels");
      assert.deepEqual(JSON.parse(printed).results, { note: "dented" });
      await assert.rejects(run("inspect", order.id, "dented", "--depth", "10", "--workflow", "parcels"), {
        code: "setting_invalid",
        message: '--depth must be a whole number from 1 to 9, not "10"',
      });
    } finally {
      globalThis.fetch = fetch;
    }
  });
});
