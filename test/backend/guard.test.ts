import assert from "node:assert/strict";
import { test } from "node:test";
import { guarded } from "../../src/backend/guard.ts";
import { memory } from "../../src/backend/memory/memory.ts";
import type { Backend } from "../../src/backend/port.ts";

const message = "the store is closed";
const refused = { name: "CauceError", code: "closed", message };

/** Makes a backend whose `get` ends when the test says so, and notes the calls. */
function openRecording() {
  const asked: string[] = [];
  const reads = Promise.withResolvers<undefined>();
  const backend: Backend = {
    ...memory(),
    get: (id) => {
      asked.push(`get ${id}`);
      return reads.promise;
    },
    close: async () => void asked.push("close"),
  };
  return { backend, asked, reads };
}

test("a guarded call reaches the backend unchanged, and returns the backend's own promise", () => {
  const { backend, asked, reads } = openRecording();
  const { get, limits } = guarded(backend, message);
  assert.equal(get("a"), reads.promise);
  assert.deepEqual(asked, ["get a"]);
  assert.equal(limits, backend.limits);
});

test("a guarded backend refuses each call after its close, also of a method that the port does not have", async () => {
  const { backend, asked } = openRecording();
  const more = { ...backend, acceptFromEventSource: async () => void asked.push("acceptFromEventSource") };
  const closed = guarded(more, message);
  const closing = closed.close();
  await assert.rejects(closed.get("a"), refused);
  await assert.rejects(closed.acceptFromEventSource(), refused);
  await closing;
  assert.deepEqual(asked, ["close"]);
});

test("a guarded backend that is closed twice is closed once", async () => {
  const { backend, asked } = openRecording();
  const { close } = guarded(backend, message);
  assert.equal(close(), close());
  await close();
  assert.deepEqual(asked, ["close"]);
});

test("a guarded backend keeps each call under way until it has ended, whether it resolves or rejects", async () => {
  for (const end of ["resolve", "reject"] as const) {
    const { backend, reads } = openRecording();
    const underWay = new Set<Promise<unknown>>();
    const { get } = guarded(backend, message, underWay);
    const read = get("a");
    assert.deepEqual([...underWay], [read]);
    if (end === "resolve") reads.resolve(undefined);
    else reads.reject(new Error("no"));
    await Promise.allSettled([read]);
    assert.equal(underWay.size, 0, end);
  }
});
