import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { createClient } from "cauce/http";
import { systemClock } from "../../../src/core/clock.ts";
import type { App } from "../../../src/core/handlers.ts";
import { synthesize } from "../../../src/infra/cdk/synth.ts";
import { emulate } from "../../../src/infra/emulate/emulate.ts";
import type { TopologyOptions } from "../../../src/infra/topology.ts";
import { temporary } from "./support.ts";

const module = fileURLToPath(new URL("../../../examples/orders/orders.app.ts", import.meta.url));
const { default: app } = (await import(module)) as { default: App };
const data = { customerId: "c-1", currency: "EUR", items: [{ sku: "TEA-1", quantity: 2, unitPrice: 4.5 }] };

async function emulated(options: TopologyOptions & { readonly data?: string }) {
  const outDirectory = temporary();
  await synthesize({ ...options, app, module, access: "public", outDirectory, checks: false });
  const lines: string[] = [];
  const open = () =>
    emulate({
      ...{ assembly: outDirectory, port: 0, clock: systemClock(), data: options.data },
      onLine: (source, line) => void lines.push(`${source} ${line}`),
    });
  return { open, lines };
}

describe("the example's stack on this machine", () => {
  const topologies: readonly (readonly [TopologyOptions, (status: string) => string])[] = [
    [{}, () => "orders-processing-dev"],
    [{ delivery: "fifo" }, () => "orders-processing-dev"],
    [{ processors: "per-status", stage: "test" }, (status) => `orders-processing-${status}-test`],
  ];
  for (const [options, functionOf] of topologies) {
    it(`takes an order to its end: ${JSON.stringify(options)}`, async () => {
      const { open, lines } = await emulated(options);
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
            ["approved", "lambda", functionOf("received")],
            ["paid", "lambda", functionOf("approved")],
            ["shipped", "lambda", functionOf("paid")],
          ],
        );
        assert.ok(shipped.history.slice(1).every(({ by }) => by.messageId !== null));
        assert.ok(lines.some((line) => line.startsWith(`${functionOf("paid")} `) && line.includes("attempt done")));
      } finally {
        await emulation.close();
      }
    });
  }

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
