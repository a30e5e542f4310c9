import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { createClient } from "cauce/http";
import { systemClock } from "../../src/core/clock.ts";
import type { App } from "../../src/core/handlers.ts";
import { synthesize } from "../../src/deploy/cdk/synth.ts";
import type { TopologyOptions } from "../../src/deploy/topology.ts";
import { emulate } from "../../src/emulate/emulate.ts";
import { createIam } from "./iam.ts";
import { temporary } from "./support.ts";

const module = fileURLToPath(new URL("../../examples/orders/orders.app.ts", import.meta.url));
const { default: app } = (await import(module)) as { default: App };
const data = { customerId: "c-1", currency: "EUR", items: [{ sku: "TEA-1", quantity: 2, unitPrice: 4.5 }] };

interface Emulated extends TopologyOptions {
  readonly data?: string;
  /** An action that is taken from a function's policies in the synthesized template. */
  readonly without?: { readonly function: string; readonly action: string };
  readonly onLine?: (line: string) => void;
}

/** Emulates the example's stack, in which a function may make only the calls that its role in the template allows. */
async function emulated({ data, without, onLine, ...options }: Emulated) {
  const outDirectory = temporary();
  await synthesize({ ...options, app, module, access: "public", outDirectory, checks: false });
  if (without !== undefined) takeAway(outDirectory, without);
  const iam = createIam(outDirectory);
  const lines: string[] = [];
  const open = () =>
    emulate({
      ...{ assembly: outDirectory, port: 0, clock: systemClock(), data, hook: iam.hook },
      onLine(source, line) {
        lines.push(`${source} ${line}`);
        onLine?.(`${source} ${line}`);
      },
    });
  return { open, lines, iam };
}

interface Policy {
  readonly Type: string;
  readonly Properties: {
    readonly Roles: unknown;
    readonly PolicyDocument: { readonly Statement: { Action: string | string[] }[] };
  };
}

function takeAway(directory: string, without: NonNullable<Emulated["without"]>): void {
  const file = join(directory, "orders-dev.template.json");
  const template = JSON.parse(readFileSync(file, "utf8")) as { Resources: Record<string, Policy> };
  const { Resources } = template;
  const policies = Object.entries(Resources).filter(
    ([id, { Type }]) => Type === "AWS::IAM::Policy" && id.includes(without.function),
  );
  for (const [, { Properties }] of policies) {
    for (const statement of Properties.PolicyDocument.Statement) {
      statement.Action = [statement.Action].flat().filter((action) => action !== without.action);
    }
  }
  writeFileSync(file, JSON.stringify(template));
}

describe("the example's stack on this machine", () => {
  const topologies: readonly (readonly [TopologyOptions, (status: string) => string])[] = [
    [{}, () => "orders-processing-dev"],
    [{ delivery: "fifo" }, () => "orders-processing-dev"],
    [{ processors: "per-status", stage: "test" }, (status) => `orders-processing-${status}-test`],
  ];
  for (const [options, processorOf] of topologies) {
    it(`takes an order to its end: ${JSON.stringify(options)}`, async (t) => {
      const { open, lines, iam } = await emulated(options);
      const emulation = await open();
      try {
        const client = createClient({ url: `${emulation.urls[0]}/orders` });
        const { order } = await client.place(data, { idempotencyKey: "one" });
        const again = await client.place(data, { idempotencyKey: "one" });
        assert.deepEqual([again.placed, again.order.id], [false, order.id]);
        const shipped = await client.waitFor(order.id, "shipped");
        const { stage = "dev" } = options;
        assert.deepEqual(
          shipped.history.map(({ status, by }) => [status, by.runtime, by.name]),
          [
            ["received", "lambda", `orders-request-${stage}`],
            ["approved", "lambda", processorOf("received")],
            ["paid", "lambda", processorOf("approved")],
            ["shipped", "lambda", processorOf("paid")],
          ],
        );
        assert.ok(shipped.history.slice(1).every(({ by }) => by.messageId !== null));
        assert.ok(lines.some((line) => line.startsWith(`${processorOf("paid")} `) && line.includes("attempt done")));
        assert.deepEqual(iam.denied(), []);
        // permissions.test.ts shows that no grant is unused over all paths. One order does not take them all.
        t.diagnostic(`granted, and not used by one order: ${iam.unused().join("; ")}`);
      } finally {
        await emulation.close();
      }
    });
  }

  it("leaves an order in its status when its function may not write", async () => {
    const refused = Promise.withResolvers<string>();
    const { open, iam } = await emulated({
      without: { function: "processing", action: "dynamodb:UpdateItem" },
      onLine: (line) => {
        if (line.startsWith("orders-processing-dev ") && line.includes("AccessDenied")) refused.resolve(line);
      },
    });
    const emulation = await open();
    try {
      const client = createClient({ url: `${emulation.urls[0]}/orders` });
      const { order } = await client.place(data, { idempotencyKey: "one" });
      const line = await refused.promise;
      assert.match(line, /not authorized to perform: dynamodb:UpdateItem on resource: orders-table-dev/);
      const found = await client.get(order.id);
      assert.deepEqual([found?.status, found?.visit, found?.history.length], ["received", 0, 1]);
      assert.deepEqual(iam.denied(), [
        "orders-processing-dev: dynamodb:UpdateItem on arn:aws:dynamodb:us-east-1:000000000000:table/orders-table-dev",
      ]);
    } finally {
      await emulation.close();
    }
  });

  it("keeps its table over a restart", async () => {
    const { open } = await emulated({ data: temporary() });
    const ids: string[] = [];
    for (const kept of [0, 1]) {
      const emulation = await open();
      try {
        assert.equal(emulation.tablesKept, kept);
        const client = createClient({ url: `${emulation.urls[0]}/orders` });
        const { order } = await client.place(data, { idempotencyKey: "one" });
        await client.waitFor(order.id, "shipped");
        ids.push(order.id);
      } finally {
        await emulation.close();
      }
    }
    assert.equal(ids[0], ids[1]);
  });
});
