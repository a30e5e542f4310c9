import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import type { App } from "../../src/core/handlers.ts";
import { final } from "../../src/core/workflow.ts";
import { openResources, releaseResources } from "../../src/engine/resources.ts";
import { type AppParts, appOf, cauceError, engineOf, quiet, workflowOf } from "./support.ts";

const workflow = workflowOf({ parked: { to: ["done"], waits: true }, done: final });
const withParts = (parts: AppParts): App => appOf(workflow, {}, parts);

describe("opening resources", () => {
  test("gives what the app's function gives, or nothing where it has none", async () => {
    const resources = { db: 1 };
    assert.equal(await openResources(withParts({ resources: async () => resources })), resources);
    assert.equal(await openResources(withParts({ resources: () => resources })), resources);
    assert.deepEqual(await openResources(withParts({ resources: () => undefined })), {});
    assert.deepEqual(await openResources(appOf(workflow)), {});
  });

  test("names the workflow and keeps the cause where the app's function throws or rejects", async () => {
    const reason = new Error("no db");
    for (const resources of [
      () => Promise.reject(reason),
      () => {
        throw reason;
      },
    ]) {
      await assert.rejects(openResources(withParts({ resources })), (error: Error) => {
        assert.equal(error.cause, reason);
        return cauceError("resources_failed", /^workflow "orders": its `resources` .*no db/)(error);
      });
    }
  });

  test("refuses a name that handlers get from Cauce, and closes what was opened", async () => {
    for (const name of ["signal", "idempotencyKey", "attempt", "log"]) {
      let closed = 0;
      const app = withParts({ resources: () => ({ [name]: { close: () => closed++ } }) });
      await assert.rejects(openResources(app), cauceError("app_invalid", new RegExp(`"orders".*"${name}"`)));
      assert.equal(closed, 1);
    }
  });
});

describe("closing resources", () => {
  test("closes each resource in its own way, the last first, one after the other", async () => {
    const closed: string[] = [];
    const close = (name: string) => async () => {
      closed.push(`${name} begins`);
      await new Promise(setImmediate);
      closed.push(`${name} ends`);
    };
    const resources = {
      first: { [Symbol.asyncDispose]: close("first"), close: () => assert.fail("closed twice") },
      second: { [Symbol.dispose]: () => closed.push("second"), close: () => assert.fail("closed twice") },
      third: { close: close("third") },
      settings: { retries: 3 },
      name: "a text",
      nothing: null,
      missing: undefined,
    };
    await releaseResources(appOf(workflow), resources);
    assert.deepEqual(closed, ["third begins", "third ends", "second", "first begins", "first ends"]);
  });

  test("calls a resource's method on the resource itself", async () => {
    class Connection {
      isOpen = true;
      close() {
        this.isOpen = false;
      }
    }
    const db = new Connection();
    await releaseResources(appOf(workflow), { db });
    assert.equal(db.isOpen, false);
  });

  test("calls the app's own `release` where it has one", async () => {
    const resources = { db: { close: () => assert.fail("the app closes it") } };
    const released: object[] = [];
    await releaseResources(withParts({ release: async (each) => void released.push(each) }), resources);
    assert.deepEqual(released, [resources]);
  });

  test("closes the other resources where one fails, and tells every reason", async () => {
    const closed: string[] = [];
    const resources = {
      first: { close: () => closed.push("first") },
      second: { close: () => Promise.reject(new Error("socket hung up")) },
      third: {
        close() {
          throw new Error("already closed");
        },
      },
    };
    await assert.rejects(releaseResources(appOf(workflow), resources), (error: AggregateError) => {
      assert.match(error.message, /already closed.*socket hung up/);
      assert.equal(error.errors.length, 2);
      return true;
    });
    assert.deepEqual(closed, ["first"]);
  });
});

describe("the time of resources", () => {
  const handled = workflowOf({ received: { to: ["done"] }, done: final });
  const engineWith = (t: TestContext, parts: AppParts, options = {}) =>
    engineOf(t, appOf(handled, { received: () => "done" }, parts), options);

  test("a stop gives up resources that do not open, and closes them when they do", async (t) => {
    const opening = Promise.withResolvers<void>();
    const closed = Promise.withResolvers<void>();
    const resources = async () => {
      await opening.promise;
      return { db: { close: () => closed.resolve() } };
    };
    const { engine, clock } = engineWith(t, { resources });
    const starting = engine.start();
    await quiet();
    await engine.stop();
    await starting;
    assert.equal(clock.timers, 0);
    opening.resolve();
    await closed.promise;
  });

  test("resources that do not open in time fail the start, which may be tried again", async (t) => {
    let opens: Promise<object> = new Promise(() => {});
    const { engine, clock, of } = engineWith(t, { resources: () => opens }, { startSeconds: 30 });
    const failed = assert.rejects(engine.start(), cauceError("resources_failed", /did not open within 30 s; see that/));
    await quiet();
    for (let seconds = 0; seconds < 30; seconds++) {
      clock.advance(1);
      await quiet();
    }
    await failed;
    const [line] = of("waiting for the resources to open");
    assert.deepEqual(line?.fields, { workflow: "orders", seconds: 30 });
    opens = Promise.resolve({});
    await engine.start();
  });

  test("resources that do not close in time are named in the log, and the stop goes on", async (t) => {
    const resources = () => ({ mail: { close: () => {} }, db: { close: () => new Promise(() => {}) } });
    const { engine, clock, of } = engineWith(t, { resources });
    await engine.start();
    const stopping = engine.stop();
    for (let seconds = 0; seconds < 10; seconds++) {
      await quiet();
      clock.advance(1);
    }
    await stopping;
    const waits = of("waiting for a resource to close").map(({ fields }) => fields.resource);
    assert.deepEqual(waits, ["db", "db"]);
    assert.equal(of("resources not closed")[0]?.fields.resource, "db");
    assert.equal(clock.timers, 0);
  });
});
