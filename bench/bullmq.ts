/**
 * The peer: the bare front with BullMQ behind it. Each handled status is a queue with a worker of its own, and each hop
 * is a durable change of the order's status (a hash, with the time of entry) and a job in the next queue. Redis answers
 * only after its sync (`appendfsync always`), so a 202 means stored.
 *
 * Usage: node --conditions=source bench/bullmq.ts PORT REDIS_PORT
 */
import { randomUUID } from "node:crypto";
import { serve } from "@hono/node-server";
import { Queue, Worker } from "bullmq";
import { Hono } from "hono";
import { Redis } from "ioredis";
import { orders } from "../examples/orders/orders.workflow.ts";

interface Job {
  readonly id: string;
  readonly data: unknown;
}

// This setting completed the most orders a second of those that were tried: see the README.
const concurrency = 32;

const [port, redisPort] = process.argv.slice(2).map(Number) as [number, number];
const connection = { host: "127.0.0.1", port: redisPort, maxRetriesPerRequest: null };
const redis = new Redis(connection);
// BullMQ writes events even if no client reads them. A short stream is the least that they can cost.
const queueOptions = { connection: redis, streams: { events: { maxLen: 100 } } };
const approved = new Queue<Job>("approved", queueOptions);
const paid = new Queue<Job>("paid", queueOptions);
const received = new Queue<Job>("received", queueOptions);

/**
 * A front that outruns the workers takes their time away. So the front holds its answers back past this many open
 * orders: as many as were completed in half of the best second so far, and 1,000 at most.
 */
let openMax = 256;
let open = 0;
let completed = 0;
const held: (() => void)[] = [];
setInterval(() => {
  openMax = Math.min(1_000, Math.max(openMax, completed / 2));
  completed = 0;
}, 1_000);

const enter = (id: string, status: string, ...fields: string[]) =>
  redis.hset(`order:${id}`, "status", status, `at:${status}`, Date.now(), ...fields);

const workers = [
  startWorker("received", async (job) => {
    await Promise.all([enter(job.id, "approved"), approved.add("order", job)]);
  }),
  startWorker("approved", async (job) => {
    await Promise.all([enter(job.id, "paid"), paid.add("order", job)]);
  }),
  startWorker("paid", async (job) => {
    await enter(job.id, "shipped");
    open -= 1;
    completed += 1;
    held.shift()?.();
  }),
];

function startWorker(status: string, handle: (job: Job) => Promise<void>): Worker<Job> {
  const worker = new Worker<Job>(status, ({ data }) => handle(data), {
    connection,
    concurrency,
    removeOnComplete: { count: 0 },
    removeOnFail: { count: 1_000 },
  });
  worker.on("error", console.error);
  worker.on("failed", (_job, error) => console.error(error));
  return worker;
}

const app = new Hono();

app.get("/readyz", (c) => c.json({ status: "ready" }));

app.get("/open", (c) => c.json({ open }));

app.get("/orders/:id", async (c) => {
  const order = await redis.hgetall(`order:${c.req.param("id")}`);
  return order.status === undefined ? c.json({ code: "order_not_found" }, 404) : c.json(order);
});

app.post("/orders", async (c) => {
  const body: unknown = await c.req.json().catch(() => undefined);
  if (body === undefined) return c.json({ code: "invalid_json" }, 400);
  const parsed = orders.data.safeParse(body);
  if (!parsed.success) return c.json({ code: "invalid_data", faults: parsed.error.issues }, 422);
  if (open >= openMax) await new Promise<void>((resolve) => held.push(resolve));
  open += 1;
  const id = randomUUID();
  const { data } = parsed;
  await Promise.all([enter(id, "received", "data", JSON.stringify(data)), received.add("order", { id, data })]);
  return c.json({ id }, 202);
});

await Promise.all(workers.map((worker) => worker.waitUntilReady()));
serve({ fetch: app.fetch, hostname: "127.0.0.1", port });
