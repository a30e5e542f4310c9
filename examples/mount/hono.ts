import { createAdaptorServer } from "@hono/node-server";
import { createCauce } from "cauce";
import { sqlite } from "cauce/sqlite";
import { Hono } from "hono";
import orders from "../orders/orders.app.ts";
import { listen, type Shop } from "./listen.ts";

/** A Hono app with a Cauce under `/shop`. */
export async function openShop(options: { port: number; directory: string }): Promise<Shop> {
  const { port, directory } = options;
  const cauce = await createCauce({ apps: orders, backend: sqlite({ directory }), basePath: "/shop" });

  const app = new Hono();
  app.get("/", (c) => c.text("Welcome."));
  app.all("/shop/*", (c) => cauce.fetch(c.req.raw));

  const server = createAdaptorServer({ fetch: app.fetch });
  return listen(server, port, cauce);
}
