import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { startGateway } from "../../../src/emulate/lambda/gateway.ts";
import type { InvocationResult } from "../../../src/emulate/lambda/runtimeApi.ts";
import { fakeClock } from "../../../src/testing/fakeClock.ts";

const api = { id: "Api", name: "api", routes: [{ key: "$default", function: "worker" }] };

describe("the gateway", () => {
  it("answers 503 once its function has taken 30 s", async () => {
    const clock = fakeClock();
    const asked = Promise.withResolvers<void>();
    const never = Promise.withResolvers<InvocationResult>();
    const invoke = () => {
      asked.resolve();
      return never.promise;
    };
    const gateway = await startGateway({ api, port: 0, clock, invoke });
    try {
      const answering = fetch(`http://127.0.0.1:${gateway.port}/`);
      await asked.promise;
      clock.advance(29.999);
      assert.equal(clock.timers, 1);
      clock.advance(0.001);
      const answer = await answering;
      assert.deepEqual([answer.status, await answer.json()], [503, { message: "Service Unavailable" }]);
      assert.equal(clock.timers, 0);
    } finally {
      await gateway.close();
    }
  });

  it("answers 413 for a body larger than an invocation's limit, and invokes no function", async () => {
    let asked = 0;
    const invoke = async () => {
      asked++;
      return { ok: true as const, payload: "null", requestId: "r" };
    };
    const gateway = await startGateway({ api, port: 0, clock: fakeClock(), invoke });
    try {
      const url = `http://127.0.0.1:${gateway.port}/`;
      const large = await fetch(url, { method: "POST", body: new Uint8Array(6_291_457) });
      assert.deepEqual([large.status, await large.json(), asked], [413, { message: "Request Too Long" }, 0]);
      const small = await fetch(url, { method: "POST", body: "x" });
      assert.deepEqual([small.status, asked], [200, 1]);
    } finally {
      await gateway.close();
    }
  });
});
