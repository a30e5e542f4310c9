/**
 * The peer: the same front, orders on BullMQ. Each handled status is a queue with a worker of its own, and each hop is
 * a durable change of the order's status (a hash, with the time of entry) and a job in the next queue. Both commands of
 * a hop leave in one pipeline. Redis answers only after its sync (`appendfsync always`), so a 202 means stored.
 *
 * Usage: node --conditions=source bench/bullmq.ts PORT REDIS_PORT
 */
import { randomBytes } from "node:crypto";
import { serve } from "@hono/node-server";
import { Queue, Worker } from "bullmq";
import { Hono } from "hono";
import { Redis } from "ioredis";
import { orders } from "./lib/schema.ts";

const [port, redisPort] = process.argv.slice(2).map(Number) as [number, number];
const connection = { host: "127.0.0.1", port: redisPort, maxRetriesPerRequest: null };

const next = { received: "approved", approved: "paid", paid: "shipped" } as const;
const handled = Object.keys(next) as (keyof typeof next)[];
const counts = { accepted: 0, completed: 0 };
const maxOpen = Number(process.env.MAXOPEN ?? 1e9);

const redis = new Redis({ ...connection, enableAutoPipelining: !process.env.NOAUTO });
// One connection for the front and every hop: what one turn of the event loop writes travels in one pipeline.
const queueOptions = {
  connection: redis,
  // BullMQ always writes events; a short stream is the least they can cost.
  streams: { events: { maxLen: 100 } },
  skipMetasUpdate: false,
};
const queues = Object.fromEntries(handled.map((status) => [status, new Queue(status, queueOptions)])) as Record<string, Queue>;
const handle = async () => {};

const workers = handled.map((status) => {
  const to = next[status];
  const queue = queues[to];
  return new Worker(
    status,
    async (job) => {
      await handle();
      const { id } = job.data;
      const moved = redis.hset(`order:${id}`, "status", to, `at:${to}`, Date.now());
      if (queue) await Promise.all([moved, queue.add(to, job.data)]);
      else {
        await moved;
        counts.completed += 1;
        open -= 1;
        waiting.shift()?.();
      }
    },
    {
      connection: process.env.SHARE ? redis : { ...connection, enableAutoPipelining: !!process.env.AUTO },
      concurrency: Number(process.env.CONC ?? 64),
      removeOnComplete: { count: Number(process.env.KEEP ?? 0) },
      removeOnFail: { count: 1_000 },
      skipStalledCheck: false,
    },
  );
});

await Promise.all(workers.map((worker) => worker.waitUntilReady()));

let open = 0;
const waiting: (() => void)[] = [];
const app = new Hono();
app.get("/readyz", (c) => c.json({ status: "ready" }));
app.get("/counts", (c) => c.json(counts));
app.get("/orders/:id", async (c) => {
  const order = await redis.hgetall(`order:${c.req.param("id")}`);
  if (order.status === undefined) return c.json({ code: "order_not_found" }, 404);
  return c.json(order);
});
app.post("/orders", async (c) => {
  const body: unknown = await c.req.json().catch(() => undefined);
  if (body === undefined) return c.json({ code: "invalid_json" }, 400);
  const parsed = orders.data.safeParse(body);
  if (!parsed.success) return c.json({ code: "invalid_data", faults: parsed.error.issues }, 422);
  const id = randomBytes(16).toString("hex");
  if (open >= maxOpen) await new Promise<void>((r) => waiting.push(r));
  open += 1;
  await Promise.all([
    redis.hset(`order:${id}`, "status", "received", "data", JSON.stringify(parsed.data), "at:received", Date.now()),
    queues.received?.add("received", { id, data: parsed.data }),
  ]);
  counts.accepted += 1;
  return c.json({ id }, 202);
});
serve({ fetch: app.fetch, hostname: "127.0.0.1", port });
