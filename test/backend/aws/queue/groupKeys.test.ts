import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { z } from "zod";
import { aws } from "../../../../src/backend/aws/index.ts";
import { createCauce, defineWorkflow, final, implement } from "../../../../src/index.ts";
import { createStack, startEmulators } from "../emulators.ts";
import { limitMilliseconds } from "../patience.ts";

const workflow = defineWorkflow({
  name: "parcels",
  data: z.object({ customer: z.string(), number: z.int() }),
  group: (data) => data.customer,
  initial: "received",
  statuses: { received: { to: ["done"], timeoutSeconds: 10 }, done: final },
});

const keys = [
  "",
  " ",
  "two words ",
  "two words",
  "line\r\nbreak",
  "\u0000\u0001\u001f\u007f\u0085",
  "👩‍👩‍👧 and 𝄞",
  "..",
  "../../etc",
  "/",
  "%2e%2e%00",
  "#0",
  "null",
  "__proto__",
  "caf\u00e9",
  "cafe\u0301",
  "\u202eright to left\ufeff\ufffe",
  `'"<>&;--`,
  "k".repeat(256),
  "é".repeat(128),
];

let emulators: { stop(): Promise<void> };
before(async () => {
  emulators = await startEmulators();
});
after(() => emulators.stop());

it("orders of a group are placed, listed and handled in turn, whatever characters the group's key has", {
  timeout: limitMilliseconds,
}, async (t) => {
  const stack = await createStack({ workflow: workflow.name, stage: "keys", mode: "fifo", statuses: ["received"] });
  const handled: { customer: string; number: number }[] = [];
  let onAll = (): void => {};
  const all = new Promise<void>((resolve) => {
    onAll = resolve;
  });
  const app = implement(workflow, {
    handlers: {
      received: async ({ data }) => {
        handled.push(data);
        if (handled.length === keys.length * 2) onAll();
        return "done" as const;
      },
    },
  });
  const cauce = await createCauce({
    apps: app,
    backend: aws({ stage: "keys", ...stack, pollSeconds: 1, shards: 2 }),
    delivery: "fifo",
  });
  t.after(async () => {
    await cauce.close();
    await stack.remove();
  });
  const post = async (customer: string, number: number) =>
    cauce.fetch(
      new Request("http://cauce.test/parcels", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ customer, number }),
      }),
    );
  const placed = new Map<string, string[]>();
  for (const number of [0, 1]) {
    for (const key of keys) {
      const answer = await post(key, number);
      assert.equal(answer.status, 202, JSON.stringify(key));
      const order = (await answer.json()) as { id: string; group: string };
      assert.equal(order.group, key);
      placed.set(key, [...(placed.get(key) ?? []), order.id]);
    }
  }
  for (const tooLong of [`${keys.at(-2)}k`, `${keys.at(-1)}é`]) {
    const answer = await post(tooLong, 0);
    assert.deepEqual([answer.status, ((await answer.json()) as { code: string }).code], [422, "limit_exceeded"]);
  }
  const listed = async (key: string) => {
    const answer = await cauce.fetch(new Request(`http://cauce.test/parcels?group=${encodeURIComponent(key)}`));
    assert.equal(answer.status, 200, JSON.stringify(key));
    return ((await answer.json()) as { items: { id: string }[] }).items.map(({ id }) => id);
  };
  for (const key of keys) {
    // No backend takes an empty group as a filter.
    if (key !== "") assert.deepEqual((await listed(key)).toReversed(), placed.get(key), JSON.stringify(key));
  }

  await cauce.start();
  await all;
  for (const key of keys) {
    const numbers = handled.filter(({ customer }) => customer === key).map(({ number }) => number);
    assert.deepEqual(numbers, [0, 1], JSON.stringify(key));
  }
});
