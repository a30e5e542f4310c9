import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { operations } from "../../src/api/operations.ts";
import { batchWire, pathFieldOf, reservedIdsOf, type Wire, wire } from "../../src/api/orders.ts";
import { reservedNames } from "../../src/core/defineWorkflow.ts";
import { rowsOf } from "../../src/node/settings.ts";
import { problemOf, serving } from "../http/serving.ts";

describe("the wire", () => {
  it("has an entry for each operation, and no other", () => {
    assert.deepEqual(Object.keys(wire).sort(), operations.map(({ name }) => name).sort());
    for (const operation of operations) {
      const line: Wire = wire[operation.name as keyof typeof wire];
      for (const [key, value] of Object.entries(line)) {
        assert.equal(operation[key as keyof Wire], value, `${operation.name}: ${key}`);
      }
    }
  });

  it("reserves the words that stand in a path where an order's id would", () => {
    assert.deepEqual([...reservedIdsOf(wire)].sort(), ["batch", "failures", "retry"]);
    assert.deepEqual([...reservedIdsOf({ ...wire, search: { ...wire.list, path: "/search" } })].sort(), [
      "batch",
      "failures",
      "retry",
      "search",
    ]);
  });

  it("names the field that a path holds", () => {
    assert.equal(pathFieldOf(wire.pause), "status");
    assert.equal(pathFieldOf(wire.list), undefined);
  });
});

it("no workflow can have the name of a route of the server", async (t) => {
  const { app } = await serving(t);
  const first = app.routes.map(({ path }) => path.split("/")[1]?.replace(/\.\w+$/, "") ?? "");
  const ofServer = new Set(first.filter((segment) => !["orders", "claims"].includes(segment)));
  assert.ok(ofServer.has("queues") && ofServer.has("openapi"));
  for (const segment of ofServer) assert.ok(reservedNames.has(segment), segment);
});

it("no field of an operation has the name of a flag that every command has", () => {
  const taken = [...Object.keys(rowsOf("client")), "json", "help"];
  for (const { name, input, command } of operations) {
    if (command === null) continue;
    for (const field of Object.keys(input?.().shape ?? {})) assert.ok(!taken.includes(field), `${name}: ${field}`);
  }
});

/** The wires of every operation, and of the batch. */
const lines: Pick<Wire, "method" | "path" | "scope">[] = [...Object.values(wire), batchWire];
const paths = lines
  .filter(({ scope }) => scope === undefined)
  .map(({ method, path }) => [method, path.replace(/\{\w+\}/, "x")] as const);

for (const [method, path] of paths) {
  it(`${method} /nowhere${path} says that there is no such workflow`, async (t) => {
    const { request } = await serving(t);
    const { detail } = await problemOf(await request(method, `/nowhere${path}`), 404, "workflow_not_found");
    assert.match(detail, /"nowhere"/);
  });
}

it("a path that no workflow has is answered with route_not_found, and not with workflow_not_found", async (t) => {
  const { request } = await serving(t);
  await problemOf(await request("GET", "/nowhere/x/y/z"), 404, "route_not_found");
  await problemOf(await request("GET", "/nowhere/x/y"), 404, "route_not_found");
});
