import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Depth } from "../../../src/backend/port.ts";
import { refuseDeployment } from "../../../src/cli/deploy/deployed.ts";
import { topologyOf } from "../../../src/deploy/topology.ts";
import { apps } from "../../deploy/support.ts";

const { workflow } = apps.shop.app;
const depth = (status: string, waiting: number): Depth => ({
  ...{ status, kind: "handled", waiting, inFlight: 0, delayed: 0, failed: 0 },
  ...{ oldestWaitingAt: null, paused: false, atLeast: false },
});
const queue = (name: string, messages: number) => ({ name, messages });
const refuse = (depths: Depth[], queues: { name: string; messages: number }[], delivery?: "fifo") =>
  refuseDeployment(workflow, topologyOf(workflow, { delivery }), { depths, queues });

describe("a deployment", () => {
  it("is not refused for orders and queues that stay, nor for empty queues", () => {
    const queues = [
      queue("orders-paid-dev", 5),
      queue("orders-paid-dead-dev", 1),
      queue("orders-unrouted-dev", 2),
      queue("orders-packed-dev", 0),
    ];
    assert.doesNotThrow(() => refuse([], []));
    assert.doesNotThrow(() => refuse([depth("paid", 5), depth("packed", 0)], queues));
  });

  it("is refused where orders stand in a status that the definition lacks, or that is of another kind", () => {
    assert.throws(() => refuse([depth("packed", 3)], []), {
      code: "orders_stranded",
      message: /3 orders stand in "packed", which the definition no longer has.*--force deploys all the same/,
    });
    assert.throws(() => refuse([depth("asked", 1)], []), { code: "orders_stranded", message: /was handled and is/ });
  });

  it("is refused in another delivery than the deployed one while orders are open, whatever the queues count", () => {
    assert.throws(() => refuse([depth("paid", 2)], [queue("orders-paid-dev", 0)], "fifo"), {
      code: "orders_stranded",
      message: /is deployed in standard delivery, and 2 orders are open.*give --delivery standard/,
    });
    assert.throws(() => refuse([depth("paid", 1)], [queue("orders-paid-dev.fifo", 0)]), {
      code: "orders_stranded",
      message: /is deployed in fifo delivery, and 1 order is open/,
    });
    assert.doesNotThrow(() => refuse([depth("paid", 0)], [queue("orders-paid-dev", 0)], "fifo"));
    assert.doesNotThrow(() => refuse([depth("paid", 1)], [queue("orders-paid-dev.fifo", 0)], "fifo"));
  });

  it("is refused where it would delete messages, dead letters among them", () => {
    assert.throws(() => refuse([], [queue("orders-packed-dev", 0), queue("orders-packed-dead-dev", 1)]), {
      code: "queue_in_use",
      message: /would delete orders-packed-dead-dev with 1 message;/,
    });
    assert.throws(() => refuse([], [queue("orders-paid-dev", 2), queue("orders-paid-dev.fifo", 4)], "fifo"), {
      code: "queue_in_use",
      message: /would delete orders-paid-dev with 2 messages;/,
    });
  });
});
