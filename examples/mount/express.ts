import { createServer } from "node:http";
import { getRequestListener } from "@hono/node-server";
import { createCauce } from "cauce";
import { sqlite } from "cauce/sqlite";
import express from "express";
import orders from "../orders/orders.app.ts";
import { listen, type Shop } from "./listen.ts";

/** An Express app with a Cauce under `/shop`. */
export async function openShop(options: { port: number; directory: string }): Promise<Shop> {
  const { port, directory } = options;
  const cauce = await createCauce({ apps: orders, backend: sqlite({ directory }), basePath: "/shop" });
  // Turns Node's request and response into the standard ones, and leaves the process's own classes alone.
  const answer = getRequestListener(cauce.fetch, { overrideGlobalObjects: false });

  const app = express();
  // Before any body parser, which would use up the body; and `all`, since `use` would cut `/shop` off the URL.
  app.all("/shop/*path", (request, response) => answer(request, response));
  app.use(express.json());
  app.get("/", (_, response) => void response.send("Welcome."));

  return listen(createServer(app), port, cauce);
}
