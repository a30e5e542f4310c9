import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { operations } from "../../src/api/operations.ts";
import { pathFieldOf, reservedIdsOf, type Wire, wire } from "../../src/api/orders.ts";
import { problemOf, serving } from "../http/serving.ts";

describe("the wire", () => {
  it("has a line for each operation, and one for the batch, which is no operation of its own", () => {
    assert.deepEqual(Object.keys(wire).sort(), [...operations.map(({ name }) => name), "placeMany"].sort());
    for (const operation of operations) {
      const line: Wire = wire[operation.name as keyof typeof wire];
      for (const [key, value] of Object.entries(line)) {
        assert.equal(operation[key as keyof Wire], value, `${operation.name}: ${key}`);
      }
    }
  });

  it("reserves the words that stand where an id would", () => {
    assert.deepEqual([...reservedIdsOf(wire)].sort(), ["batch", "failures", "retry"]);
    assert.deepEqual([...reservedIdsOf({ ...wire, search: { ...wire.list, path: "/search" } })].sort(), [
      "batch",
      "failures",
      "retry",
      "search",
    ]);
  });

  it("names the field of a path", () => {
    assert.equal(pathFieldOf(wire.pause), "status");
    assert.equal(pathFieldOf(wire.list), undefined);
  });
});

/** Every path that a workflow has, with something in the place of its field. */
const paths = Object.values(wire as Readonly<Record<string, Wire>>)
  .filter(({ scope }) => scope === undefined)
  .map(({ method, path }) => [method, path.replace(/\{\w+\}/, "x")] as const);

for (const [method, path] of paths) {
  it(`${method} /nowhere${path} says that there is no such workflow`, async (t) => {
    const { request } = await serving(t);
    const { detail } = await problemOf(await request(method, `/nowhere${path}`), 404, "workflow_not_found");
    assert.match(detail, /"nowhere"/);
  });
}

it("a path that no workflow has is told from an unknown workflow", async (t) => {
  const { request } = await serving(t);
  await problemOf(await request("GET", "/nowhere/x/y/z"), 404, "route_not_found");
  await problemOf(await request("GET", "/nowhere/x/y"), 404, "route_not_found");
});
