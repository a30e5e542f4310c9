import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { sampleOrder, waitFor } from "./support.ts";

for (const framework of ["hono", "express", "fastify"] as const) {
  describe(`examples/mount/${framework}.ts`, () => {
    it("serves its own routes, and a Cauce under /shop that takes an order to shipped", async () => {
      const { openShop } = await import(`../../examples/mount/${framework}.ts`);
      const directory = await mkdtemp(join(tmpdir(), "cauce-mount-"));
      try {
        const shop = await openShop({ port: 0, directory });
        try {
          assert.equal(await (await fetch(shop.url)).text(), "Welcome.");
          const placed = await fetch(`${shop.url}/shop/orders`, {
            method: "POST",
            headers: { "content-type": "application/json" },
            body: JSON.stringify(sampleOrder()),
          });
          assert.equal(placed.status, 202);
          const location = new URL(placed.headers.get("location") ?? "", `${shop.url}/shop/orders`);
          assert.match(location.pathname, /^\/shop\/orders\/[^/]+$/);
          const shipped = await waitFor(location, (order) => order.status === "shipped");
          assert.deepEqual(
            shipped.history.map(({ status }) => status),
            ["received", "approved", "paid", "shipped"],
          );
          const refused = await fetch(`${shop.url}/shop/orders`, {
            method: "POST",
            headers: { "content-type": "application/json" },
            body: "{",
          });
          assert.equal(refused.status, 400);
          const outside = await fetch(`${shop.url}/orders`);
          assert.equal(outside.status, 404);
          await outside.arrayBuffer();
        } finally {
          await shop.close();
        }
        await assert.rejects(fetch(shop.url));
      } finally {
        await rm(directory, { recursive: true });
      }
    });
  });
}
