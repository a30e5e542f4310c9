import assert from "node:assert/strict";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { test } from "node:test";
import type { Order } from "../../src/core/order.ts";
import { jsonOf, problemOf, serving } from "./serving.ts";

/** Reads server-sent events, each as its lines by name. */
function reading(response: Response) {
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("content-type"), "text/event-stream");
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const decoder = new TextDecoder();
  let text = "";
  const next = async (): Promise<Record<string, string> | undefined> => {
    for (;;) {
      const end = text.indexOf("\n\n");
      if (end >= 0) {
        const block = text.slice(0, end);
        text = text.slice(end + 2);
        return Object.fromEntries(
          block.split("\n").map((line) => {
            const at = line.indexOf(": ");
            return [line.slice(0, at), line.slice(at + 2)];
          }),
        );
      }
      const { done, value } = await reader.read();
      if (done) return undefined;
      text += decoder.decode(value, { stream: true });
    }
  };
  const transition = async () => {
    const event = await next();
    assert.equal(event?.event, "transition", JSON.stringify(event));
    return { id: event?.id ?? "", data: JSON.parse(event?.data ?? "") };
  };
  return { next, transition, cancel: () => reader.cancel() };
}

test("events tell of placings and transitions as they are committed", async (t) => {
  const { request, place, start, clock } = await serving(t);
  const events = reading(await request("GET", "/events?workflow=claims"));
  assert.deepEqual(await events.next(), { retry: "2000" });
  await start();
  await place("orders", { customerId: "c-1" });
  const claim: Order = await place("claims", { text: "wet" });
  const first = await events.transition();
  const at = new Date(clock.now()).toISOString();
  const common = { workflow: "claims", order: claim.id, at };
  assert.deepEqual(first.data, { ...common, status: "filed", from: null, visit: 0, version: 1 });
  await request("POST", `/claims/${claim.id}/transitions`, { json: { to: "paid" } });
  const second = await events.transition();
  assert.deepEqual(second.data, { ...common, status: "paid", from: "filed", visit: 1, version: 2 });
  await events.cancel();

  const resumed = reading(await request("GET", "/events", { headers: { "last-event-id": first.id } }));
  await resumed.next();
  assert.deepEqual(await resumed.transition(), second);
  await resumed.cancel();

  const one = reading(
    await request("GET", `/events?order=${claim.id}&status=paid`, { headers: { "last-event-id": "x-1" } }),
  );
  await one.next();
  assert.deepEqual(await one.next(), { event: "gap", data: '{"missed":null}' });
  assert.deepEqual(await one.transition(), second);
  await one.cancel();
});

test("a reader of events that does not read costs nothing, and is told how many events it missed", async (t) => {
  const { request, place, telemetry } = await serving(t);
  const slow = reading(await request("GET", "/events?workflow=claims"));
  await slow.next();
  const order = await place("claims", { text: "wet" });
  for (let n = 0; n < 20_000; n++) {
    telemetry.events.placed("claims", { ...order, entry: { at: 0 } } as never);
  }
  assert.deepEqual(await slow.next(), { event: "gap", data: `{"missed":${20_001 - 16_384}}` });
  const { id } = await slow.transition();
  assert.equal(id, `s-${20_001 - 16_384 + 1}`);
  await slow.cancel();
});

test("a quiet stream of events sends a sign of life, ends with the server, and leaves no timer when its reader leaves", async (t) => {
  const { request, telemetry, clock } = await serving(t);
  const quiet = reading(await request("GET", "/events"));
  await quiet.next();
  const timers = clock.timers;
  const comment = quiet.next();
  while (clock.timers === timers) await new Promise((resolve) => setImmediate(resolve));
  clock.advance(15);
  assert.deepEqual(await comment, { "": "still here" });
  const gone = reading(await request("GET", "/events"));
  await gone.next();
  const before = clock.timers;
  const never = gone.next();
  while (clock.timers === before) await new Promise((resolve) => setImmediate(resolve));
  await gone.cancel();
  assert.equal(await never, undefined);
  assert.equal(clock.timers, before);
  const last = quiet.next();
  telemetry.events.end();
  assert.equal(await last, undefined);
});

test("100 readers may read events at once, and one more is refused until one of them leaves", async (t) => {
  const { request, telemetry } = await serving(t);
  // A request without a reader does not count as a reader.
  for (let n = 0; n < 150; n++) assert.equal((await request(n % 2 ? "HEAD" : "GET", "/events")).status, 200);
  const readers = [];
  for (let n = 0; n < 100; n++) {
    const reader = reading(await request("GET", "/events"));
    await reader.next();
    readers.push(reader);
  }
  const refused = await request("GET", "/events");
  assert.equal(refused.headers.get("retry-after"), "10");
  await problemOf(refused, 503, "too_many_readers");
  await readers.pop()?.cancel();
  const next = reading(await request("GET", "/events"));
  await next.next();
  await problemOf(await request("GET", "/events"), 503, "too_many_readers");
  const ends = [...readers, next].map((reader) => reader.next());
  telemetry.events.end();
  assert.deepEqual([...new Set(await Promise.all(ends))], [undefined]);
  assert.equal((await request("GET", "/events")).status, 200);
});

test("events, statistics and metrics refuse parameters that are unknown or do not fit", async (t) => {
  const { request } = await serving(t);
  await problemOf(await request("GET", "/events?workflow=nope"), 404, "workflow_not_found");
  await problemOf(await request("GET", "/events?state=paid"), 400, "invalid_request");
  for (const minutes of ["0", "1441", "1.5", "x"]) {
    await problemOf(await request("GET", `/stats?minutes=${minutes}`), 400, "invalid_request");
  }
  await problemOf(await request("GET", "/metrics?x=1"), 400, "invalid_request");
});

test("statistics have each workflow's minutes", async (t) => {
  const { request, place, clock } = await serving(t);
  await place("claims", { text: "wet" });
  const { minutes } = await jsonOf<{ minutes: { at: string; workflows: { workflow: string; placed: number }[] }[] }>(
    await request("GET", "/stats?minutes=5"),
  );
  assert.equal(minutes.length, 1);
  assert.equal(minutes[0]?.at, new Date(Math.floor(clock.now() / 60_000) * 60_000).toISOString());
  assert.deepEqual(
    minutes[0]?.workflows.map(({ workflow, placed }) => [workflow, placed]),
    [
      ["orders", 0],
      ["claims", 1],
    ],
  );
});

test("metrics have the text format of Prometheus", async (t) => {
  const { request, place, start, logged, clock, telemetry } = await serving(t);
  telemetry.onBatchOf("claims")(3, 1.5);
  await start();
  const failed = logged("order failed");
  await place("orders", { customerId: "BAD-1" });
  await failed;
  const claim = await place("claims", { text: "wet" });
  clock.advance(3);
  await request("POST", `/claims/${claim.id}/transitions`, { json: { to: "paid" } });
  const response = await request("GET", "/metrics");
  assert.equal(response.status, 200);
  assert.match(response.headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/);
  const text = await response.text();
  const lines = text.split("\n");
  for (const line of [
    'cauce_orders_placed_total{workflow="orders"} 1',
    'cauce_transitions_total{workflow="claims",from="filed",to="paid"} 1',
    'cauce_attempts_total{workflow="orders",status="received",outcome="failed"} 1',
    'cauce_time_in_status_seconds_bucket{le="2.048",workflow="claims",status="filed"} 0',
    'cauce_time_in_status_seconds_bucket{le="4.096",workflow="claims",status="filed"} 1',
    'cauce_time_in_status_seconds_bucket{le="+Inf",workflow="claims",status="filed"} 1',
    'cauce_time_in_status_seconds_sum{workflow="claims",status="filed"} 3',
    'cauce_time_in_status_seconds_count{workflow="claims",status="filed"} 1',
    'cauce_queue_depth{workflow="orders",status="received",state="failed"} 1',
    'cauce_oldest_waiting_age_seconds{workflow="orders",status="received"} 0',
    'cauce_store_commit_seconds_bucket{le="0.002",workflow="claims"} 1',
    'cauce_store_batch_operations_bucket{le="4",workflow="claims"} 1',
    'cauce_store_batch_operations_sum{workflow="claims"} 3',
  ]) {
    assert.ok(lines.includes(line), `${line} is not in\n${text}`);
  }
  assert.match(text, /^cauce_event_loop_lag_seconds\{quantile="0\.99"\} \d/m);
  assert.match(text, /^process_resident_memory_bytes \d+/m);
  for (const line of lines.filter(Boolean)) {
    assert.match(line, /^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{.*\})? -?[\d.e+-]+)$/);
  }
  // A second scrape does not count an order twice.
  const again = await (await request("GET", "/metrics")).text();
  assert.ok(again.includes('cauce_orders_placed_total{workflow="orders"} 1\n'));
});

test("a scrape reads each store once, and its measurement of the event loop ends at the close", async (t) => {
  const { request, engines, telemetry } = await serving(t);
  const reads = engines.map((engine) => t.mock.method(engine, "queues"));
  const disable = t.mock.method(Object.getPrototypeOf(monitorEventLoopDelay()), "disable");
  await request("GET", "/metrics");
  await request("GET", "/metrics");
  assert.deepEqual(
    reads.map(({ mock }) => mock.callCount()),
    [2, 2],
  );
  assert.equal(disable.mock.callCount(), 0);
  telemetry.close();
  telemetry.close();
  assert.equal(disable.mock.callCount(), 1);
  // The first scrape of all may come after the close.
  const late = await serving(t);
  late.telemetry.close();
  assert.equal((await late.request("GET", "/metrics")).status, 200);
  assert.equal(disable.mock.callCount(), 2);
});
