import { getRequestListener } from "@hono/node-server";
import { createCauce } from "cauce";
import { sqlite } from "cauce/sqlite";
import Fastify from "fastify";
import orders from "../orders/orders.app.ts";
import { listen, type Shop } from "./listen.ts";

/** A Fastify app with a Cauce under `/shop`. */
export async function openShop(options: { port: number; directory: string }): Promise<Shop> {
  const { port, directory } = options;
  const cauce = await createCauce({ apps: orders, backend: sqlite({ directory }), basePath: "/shop" });
  // Turns Node's request and response into the standard ones, and leaves the process's own classes alone.
  const answer = getRequestListener(cauce.fetch, { overrideGlobalObjects: false });

  const app = Fastify();
  app.get("/", async () => "Welcome.");
  await app.register(async (shop) => {
    // Cauce reads the body itself, so here nothing else does.
    shop.removeAllContentTypeParsers();
    shop.addContentTypeParser("*", (_request, _body, done) => done(null));
    shop.all("/shop/*", async (request, reply) => {
      reply.hijack();
      await answer(request.raw, reply.raw);
    });
  });
  await app.ready();

  return listen(app.server, port, cauce);
}
