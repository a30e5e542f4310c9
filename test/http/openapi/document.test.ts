import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { orders } from "../../../examples/orders/orders.workflow.ts";
import { operations } from "../../../src/api/operations.ts";
import { defineWorkflow } from "../../../src/core/defineWorkflow.ts";
import type { ShownExtraFields } from "../../../src/core/extras.ts";
import { type AnyWorkflow, final } from "../../../src/core/workflow.ts";
import { createIntake } from "../../../src/engine/intake.ts";
import { createApp } from "../../../src/http/app.ts";
import { createComponents } from "../../../src/http/openapi/components.ts";
import { referenceRoutes } from "../../../src/http/openapi/routes.ts";
import { putWorkflowSchemas } from "../../../src/http/openapi/workflowSchemas.ts";
import { allWorkflowsRoutes, healthRoutes, workflowRoutes } from "../../../src/http/routes.ts";
import { telemetryRoutes } from "../../../src/http/telemetry.ts";
import { boundOf, serving } from "../serving.ts";
import { assertValid, checkerOf, documentOf, operationsOf, referenceTo } from "./reading.ts";

const anyNames = (route: string) => route.replace(/\{\w+\}|:\w+/g, "{}").replace(" /orders", " /{workflow}");

test("every route of the server is described with its role, and no other", async (t) => {
  const { engines, clock, telemetry } = await serving(t);
  const [engine] = engines;
  assert.ok(engine);
  const all = boundOf([engine]);
  const body = { required: async () => ({}), optional: async () => ({}) };
  const routes = telemetryRoutes([engine], telemetry, clock, createIntake({ clock }));
  const served = new Map(
    [
      ...all.flatMap((each) =>
        workflowRoutes(each, { basePath: "", body, bodyBytesMax: 1, onDone() {}, onError() {} }),
      ),
      ...allWorkflowsRoutes(all, { body }),
      ...healthRoutes(() => true),
      ...routes,
      ...referenceRoutes({ bound: all, basePath: "", secured: true }),
    ].map(({ method, path, access }) => [anyNames(`${method} ${path}`), access ?? "none"]),
  );
  const operations = operationsOf(documentOf([engine.workflow]));
  const described = new Map([...operations].map(([route, operation]) => [anyNames(route), operation["x-role"]]));
  assert.deepEqual(described, served);

  const log = { info() {}, warn() {}, error() {} };
  const app = createApp({ bound: all, auth: undefined, log, telemetry: routes, ready: () => true });
  assert.deepEqual(
    new Set(app.routes.map(({ method, path }) => anyNames(`${method} ${path}`))),
    new Set(served.keys()),
  );
});

test("every operation's description names its role, and every parameter is described", () => {
  const operations = operationsOf(documentOf([orders]));
  assert.equal(new Set([...operations.values()].map(({ operationId }) => operationId)).size, operations.size);
  for (const [route, { "x-role": role, description, parameters = [] }] of operations) {
    if (role === "none") assert.match(description, /Needs no API key/, route);
    else if (role !== "any") assert.ok(description.includes(`\`${role}\``), route);
    for (const parameter of parameters) assert.ok(parameter.description !== "", `${route}: ${parameter.name}`);
  }
});

test("the schema of an order has its shown extras after the other fields, and none where the list is empty", () => {
  const schemasOf = (fields: ShownExtraFields) => {
    const components = createComponents({});
    const { examples } = putWorkflowSchemas(components, orders, operations, fields);
    const { properties, required } = components.schemas()["orders.Order"] as {
      properties: Record<string, unknown>;
      required: string[];
    };
    return { properties: Object.entries(properties), required, example: Object.entries(examples.order as object) };
  };
  const schema = { type: ["string", "null"], description: "Where the order came from." };
  const bare = schemasOf({});
  assert.deepEqual(schemasOf({ channel: { schema, of: () => null } }), {
    properties: [...bare.properties, ["channel", schema]],
    required: [...bare.required, "channel"],
    example: [...bare.example, ["channel", null]],
  });
  assert.equal(bare.required.at(-1), "historyOmitted");
});

test("without API keys no operation has an answer 401 or 403", () => {
  const open = documentOf([orders], { secured: false });
  assert.equal(open.components.securitySchemes, undefined);
  for (const [route, { responses, security }] of operationsOf(open)) {
    assert.equal(responses[401] ?? responses[403] ?? security, undefined, route);
  }
  const secured = operationsOf(documentOf([orders]));
  assert.deepEqual(secured.get("GET /orders")?.security, [{ apiKey: [] }]);
  assert.ok(secured.get("GET /orders")?.responses[403]);
  assert.deepEqual(secured.get("GET /healthz")?.security, []);
  assert.equal(secured.get("GET /openapi.json")?.responses[403], undefined);
});

test("the example workflow's document is valid, with a base path and without", async () => {
  for (const basePath of ["", "/shop/v1"]) {
    const document = documentOf([orders], { basePath });
    assert.deepEqual(document.servers, [{ url: basePath === "" ? "/" : basePath }]);
    await assertValid(document);
  }
});

test("every example fits its schema", () => {
  const document = documentOf([orders, ...odd]);
  const check = checkerOf(document);
  let count = 0;
  for (const [route, { requestBody, responses }] of operationsOf(document)) {
    const [method = "", path = ""] = route.split(" ");
    const here = ["paths", path, method.toLowerCase()];
    const contents = [
      { where: [...here, "requestBody"], content: requestBody?.content },
      ...Object.entries(responses).map(([status, { content }]) => ({ where: [...here, "responses", status], content })),
    ];
    for (const { where, content = {} } of contents) {
      for (const [type, { example }] of Object.entries(content)) {
        if (example === undefined) continue;
        assert.equal(check(referenceTo(...where, "content", type, "schema"), example), null, route);
        count++;
      }
    }
  }
  assert.ok(count > 20, `${count} examples`);
});

const statuses = { open: { to: ["done"], waits: true }, done: final } as const;
const withData = (name: string, data: z.ZodType, results?: z.ZodType): AnyWorkflow =>
  defineWorkflow({ name, data, ...(results === undefined ? {} : { results }), initial: "open", statuses });

interface Tree {
  name: string;
  children: Tree[];
}
const tree: z.ZodType<Tree> = z.lazy(() => z.object({ name: z.string(), children: z.array(tree) }));
const named: z.ZodType<Tree> = z
  .object({
    name: z.string(),
    get children() {
      return z.array(named);
    },
  })
  .meta({ id: "Node" });
/** A schema whose id other schemas share. Some of their ids may not be the name of a component. */
const address = z.object({ street: z.string() }).meta({ id: "Address" });

const odd: readonly AnyWorkflow[] = [
  withData("records", z.record(z.string(), z.union([z.number(), z.object({ deep: z.array(z.boolean()) })]))),
  withData(
    "unions",
    z.discriminatedUnion("kind", [
      z.object({ kind: z.literal("a"), a: z.string() }),
      z.object({ kind: z.literal("b"), b: z.number().optional() }),
    ]),
  ),
  withData("trees", tree),
  withData("named", named, z.object({ root: named, other: address })),
  withData("tuples", z.tuple([z.string(), z.number().nullable()], z.boolean())),
  withData("anything", z.any()),
  withData(
    "defaults",
    z.object({ a: z.string().default("x"), b: z.number().nullable(), c: z.enum(["p", "q"]).optional() }),
  ),
  withData("first", z.object({ home: address, work: address.optional() }).catchall(z.number())),
  withData("second", z.strictObject({ home: z.object({ city: z.string() }).meta({ id: "Address" }) })),
  withData(
    "ids",
    z.object({
      a: z.object({ x: z.string() }).meta({ id: "a/b c~é" }),
      b: z.object({ y: z.string() }).meta({ id: "a_b_c__" }),
      id: z.string(),
    }),
  ),
  withData("scalar", z.string().min(1), z.strictObject({ sum: z.number() })),
];

/** Data with a property `$ref`. The validator takes every `$ref` for a reference, so it does not check these. */
const referring: readonly AnyWorkflow[] = [
  withData("examples", z.object({ $ref: z.string() }).meta({ examples: [{ $ref: "#/$defs/none" }] })),
];

test("unusual schemas give valid documents, alone and together", async () => {
  for (const workflow of odd) await assertValid(documentOf([workflow]));
  await assertValid(documentOf(odd));
});

test("a schema takes the same values in the document as in the server", () => {
  const values: Readonly<Record<string, readonly [fits: unknown[], others: unknown[]]>> = {
    records: [
      [{}, { a: 1, b: { deep: [true] } }],
      [{ a: "x" }, []],
    ],
    unions: [
      [{ kind: "a", a: "x" }, { kind: "b" }],
      [{ kind: "a" }, { kind: "c" }],
    ],
    trees: [[{ name: "r", children: [{ name: "c", children: [] }] }], [{ name: "r", children: [{ name: 1 }] }]],
    named: [[{ name: "r", children: [{ name: "c", children: [] }] }], [{ name: "r", children: [{}] }]],
    tuples: [
      [
        ["a", null],
        ["a", 1, true],
      ],
      [
        ["a", 1, "x"],
        [1, 1],
      ],
    ],
    anything: [[null, 1, {}, [[]]], []],
    defaults: [
      [{ b: null }, { a: "y", b: 1, c: "p" }],
      [{}, { b: 1, c: "r" }],
    ],
    first: [[{ home: { street: "s" }, more: 1 }], [{ home: {} }, { home: { street: "s" }, more: "x" }]],
    second: [[{ home: { city: "c" } }], [{ home: { street: "s" } }, { home: { city: "c" }, more: 1 }]],
    ids: [
      [{ a: { x: "" }, b: { y: "" }, id: "i" }],
      [
        { a: { y: "" }, b: { x: "" }, id: "i" },
        { a: { x: "" }, b: { y: "" } },
      ],
    ],
    examples: [[{ $ref: "x" }], [{}]],
    scalar: [["x"], ["", 1]],
  };
  const all = [...odd, ...referring];
  const check = checkerOf(documentOf(all));
  for (const workflow of all) {
    const { name, data } = workflow;
    const [fits = [], others = []] = values[name] ?? [];
    const reference = referenceTo("components", "schemas", `${name}.Data`);
    for (const value of fits) {
      assert.ok(data.safeParse(value).success, `${name} takes ${JSON.stringify(value)}`);
      assert.equal(check(reference, value), null, name);
    }
    for (const value of others) {
      assert.ok(!data.safeParse(value).success, `${name} refuses ${JSON.stringify(value)}`);
      assert.notEqual(check(reference, value), null, `${name}: ${JSON.stringify(value)}`);
    }
  }
});

test("data with defaults has a schema of its own for stored orders, and other data has none", () => {
  const { schemas } = documentOf(odd).components;
  assert.deepEqual(schemas["defaults.Data"]?.required, ["b"]);
  assert.deepEqual(schemas["defaults.StoredData"]?.required, ["a", "b"]);
  assert.deepEqual(
    Object.keys(schemas).filter((name) => name.includes("StoredData")),
    ["defaults.StoredData"],
  );
});

test("a retired status is no target of a transition in the document", () => {
  const workflow = defineWorkflow({
    name: "old",
    data: z.object({}),
    initial: "open",
    statuses: { open: { to: ["done"], waits: true }, gone: { to: ["done"], waits: true, retired: true }, done: final },
  });
  const { schemas } = documentOf([workflow]).components;
  const { to } = (schemas["old.TransitionRequest"]?.properties ?? {}) as { to?: { enum: string[] } };
  assert.deepEqual(to?.enum, ["open", "done"]);
});
