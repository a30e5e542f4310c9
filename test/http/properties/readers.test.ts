import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { serving } from "./hostile.ts";

// The system buffers some 4 MB for each reader that does not read. A reader blocks only after that.
const ordersCount = 24_000;

test("readers of events that do not read or that leave hold up no other client and leave nothing behind", async (t) => {
  const { cauce, clock, open, close } = await serving(t);
  const quiet = clock.timers;
  const openHandles = () => process.getActiveResourcesInfo().filter((name) => name.startsWith("TCP")).length;
  const before = openHandles();
  const readers = await Promise.all(
    Array.from({ length: 21 }, async () => {
      const socket = open();
      socket.write("GET /events HTTP/1.1\r\nHost: a\r\n\r\n");
      await once(socket, "data");
      socket.pause();
      return socket;
    }),
  );
  const good = readers.pop();
  assert.ok(good !== undefined);
  let seen = "";
  good.setEncoding("latin1");
  good.on("data", (text: string) => {
    seen += text;
  });
  good.resume();
  // Half of the readers leave in the middle, and half stay and never read.
  for (let placed = 0; placed < ordersCount; placed += 500) {
    await Promise.all(Array.from({ length: 500 }, () => cauce.place("orders", { customerId: "c" })));
    if (placed === ordersCount / 2) for (const reader of readers.splice(0, 10)) reader.resetAndDestroy();
  }
  const { order } = await cauce.place("orders", { customerId: "c" });
  while (!seen.includes(order.id)) await once(good, "data");
  assert.ok(!seen.includes("event: gap"));
  assert.equal(seen.match(/^event: transition$/gm)?.length, ordersCount + 1);
  for (const reader of [...readers, good]) reader.destroy();
  while (clock.timers > quiet || openHandles() > before) await new Promise((resolve) => setImmediate(resolve));
  await close();
});
