import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { aws } from "../../src/backend/aws/index.ts";
import type { DeliveryMode, NewOrder } from "../../src/backend/port.ts";
import type { StoredOrder } from "../../src/core/order.ts";
import { fakeClock } from "../../src/testing/fakeClock.ts";
import { createStack } from "../backend/aws/emulators.ts";
import { newOrder } from "../backend/sqlite/support.ts";
import { atEnd, cauce, post } from "./support.ts";

export const relayApp = join(import.meta.dirname, "fixtures/relay.app.ts");
const leaseSeconds = { open: 6, checked: 180 };

/** Creates a stack in the emulators, and starts processes over it. */
export async function staged(t: TestContext, stage: string, mode: DeliveryMode = "standard") {
  const stack = await createStack({ workflow: "relay", stage, mode, statuses: ["open", "checked"] });
  atEnd(t, () => stack.remove());
  // The emulator's queue URLs have a host that does not exist.
  const queues = `${process.env.AWS_ENDPOINT_URL_SQS}/000000000000/`;
  const choice = ["--backend", "aws", "--stage", stage, "--queue-url-base", queues, "--delivery", mode];
  return {
    stack,
    start: (...flags: string[]) => cauce(t, ["start", relayApp, "--port", "0", ...choice, ...flags]),
    sweep: (...flags: string[]) => cauce(t, ["sweep", relayApp, ...choice, ...flags]),
    choice,
    /** Stores an order as one that was placed `seconds` ago and not handled since. */
    async placeAgo(seconds: number, fields: Partial<NewOrder> = {}): Promise<StoredOrder> {
      const clock = fakeClock(Date.now() - seconds * 1_000);
      const backend = await aws({ stage, ...stack })({ workflow: "relay", delivery: mode, clock, leaseSeconds });
      try {
        const createdAt = clock.now();
        const placed = await backend.place({ ...newOrder, status: "open", dataJson: "{}", createdAt, ...fields });
        assert.ok("order" in placed);
        return placed.order;
      } finally {
        await backend.close();
      }
    },
  };
}

/** Serves a URL that answers each request only when the test says so. */
export async function gate(t: TestContext) {
  const requests: ServerResponse[] = [];
  const waiting: (() => void)[] = [];
  const server = createServer((_request, response) => {
    requests.push(response);
    for (const resolve of waiting.splice(0)) resolve();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  atEnd(t, () => {
    server.closeAllConnections();
    server.close();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    async asked(times: number): Promise<ServerResponse> {
      while (requests.length < times) await new Promise<void>((resolve) => waiting.push(resolve));
      return requests[times - 1] as ServerResponse;
    },
  };
}

export async function place(address: string, data: object): Promise<URL> {
  const placed = await post(`${address}/relay`, data);
  assert.equal(placed.status, 202, await placed.clone().text());
  return new URL(String(placed.headers.get("location")), address);
}
