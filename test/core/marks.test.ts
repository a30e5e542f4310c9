import assert from "node:assert/strict";
import { cpSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it, type TestContext } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { createContext, runInContext } from "node:vm";
import * as z from "zod";
import { memory } from "../../src/backend/memory/memory.ts";
import type { BackendFactory, LocatedBackend } from "../../src/backend/port.ts";
import { createCauce } from "../../src/cauce.ts";
import { loadApp } from "../../src/cli/loadApp.ts";
import { ClientError } from "../../src/client/clientError.ts";
import { defineWorkflow } from "../../src/core/defineWorkflow.ts";
import { CauceError, PermanentError, RetryError } from "../../src/core/errors.ts";
import { type AnyHandler, type App, implement, isApp } from "../../src/core/handlers.ts";
import { type AnyWorkflow, final, isWorkflow } from "../../src/core/workflow.ts";
import { testWorkflow } from "../../src/testing/testWorkflow.ts";
import { temporaryDirectory } from "../backend/sqlite/support.ts";
import { atEnd, cauceError, keptLog } from "../engine/support.ts";

// An app may have a copy of the package and of zod beside those that run it: a global command line and the app's own, or
// two packages of a monorepo. These tests load a real second copy of both.

const root = fileURLToPath(new URL("../../", import.meta.url));

interface Copy {
  readonly directory: string;
  readonly cauce: typeof import("../../src/index.ts");
  readonly client: typeof import("../../src/client/index.ts");
  readonly testing: typeof import("../../src/testing/index.ts");
  readonly zod: typeof z;
}

/** Copies the sources and zod into a directory, and loads them from there. */
async function secondCopy(directory: string): Promise<Copy> {
  const packages = join(directory, "node_modules");
  mkdirSync(packages);
  for (const name of readdirSync(join(root, "node_modules"))) {
    if (name !== "zod") symlinkSync(join(root, "node_modules", name), join(packages, name));
  }
  cpSync(join(root, "node_modules/zod"), join(packages, "zod"), { recursive: true });
  cpSync(join(root, "src"), join(directory, "src"), { recursive: true });
  cpSync(join(root, "package.json"), join(directory, "package.json"));
  const load = (file: string) => import(pathToFileURL(join(directory, file)).href);
  return {
    directory,
    cauce: await load("src/index.ts"),
    client: await load("src/client/index.ts"),
    testing: await load("src/testing/index.ts"),
    zod: await load("node_modules/zod/index.js"),
  };
}

let copy: Copy;
let remove = (): void => {};
before(async () => {
  const made = temporaryDirectory();
  remove = made.remove;
  copy = await secondCopy(made.directory);
});
after(() => remove());

/** Defines an app of one handled status with a copy of the package and of zod. */
function appBy({ cauce, zod }: Pick<Copy, "cauce" | "zod">, received: AnyHandler, data?: z.ZodType): App {
  const workflow = cauce.defineWorkflow({
    name: "orders",
    data: data ?? zod.looseObject({}),
    initial: "received",
    statuses: { received: { to: ["done"], retry: { attempts: 5 } }, done: cauce.final },
  }) as AnyWorkflow;
  return cauce.implement(workflow, { handlers: { received } as never });
}

const own = { cauce: { defineWorkflow, implement, final } as Copy["cauce"], zod: z };
const throwing = (error: () => unknown) => (): never => {
  throw error();
};

describe("an error of a second copy of the package", () => {
  it("is of another class, and is known by `instanceof` in both directions", () => {
    const { cauce, client } = copy;
    const theirs = new cauce.CauceError("stale", "read it again");
    assert.notEqual(cauce.CauceError, CauceError);
    assert.ok(theirs instanceof CauceError && theirs.code === "stale");
    assert.ok(new CauceError("stale", "read it again") instanceof cauce.CauceError);
    assert.ok(new cauce.PermanentError("no") instanceof PermanentError);
    assert.ok(new cauce.RetryError({ delaySeconds: 3 }) instanceof RetryError);
    const lost = new client.ClientError("unreachable", "no answer", { status: 503 });
    assert.ok(lost instanceof ClientError && lost instanceof CauceError && lost.status === 503);
  });

  it("is no error of another kind, and nothing else is one", () => {
    const { cauce } = copy;
    assert.ok(!(new cauce.PermanentError("no") instanceof RetryError));
    assert.ok(!(new cauce.CauceError("stale", "no") instanceof ClientError));
    for (const value of [new Error("no"), { code: "stale" }, null, undefined, "stale"]) {
      assert.ok(!((value as unknown) instanceof CauceError));
    }
  });

  it("is known by a class that the user derives, and such a class knows its own errors alone", () => {
    class Declined extends copy.cauce.PermanentError {}
    class Other extends PermanentError {}
    const declined = new Declined("no such card");
    assert.ok(declined instanceof PermanentError && declined instanceof Declined);
    assert.ok(!(declined instanceof Other) && !(new PermanentError("no") instanceof Declined));
  });

  for (const [what, errorOf, attempts] of [
    ["a PermanentError ends the attempts at once", () => new copy.cauce.PermanentError("no such card"), [0]],
    [
      "a RetryError delays the next attempt by exactly its seconds",
      () => new copy.cauce.RetryError({ delaySeconds: 3 }),
      [0, 3_000, 6_000, 9_000, 12_000],
    ],
  ] as const) {
    it(`that a handler throws: ${what}`, async (t) => {
      const shop = await testWorkflow(appBy(own, throwing(errorOf)));
      t.after(() => shop.close());
      const { id, createdAt } = await shop.place({} as never);
      await shop.advance({ seconds: 60 });
      const at = shop.attempts(id).map((attempt) => Date.parse(attempt.at) - Date.parse(createdAt));
      assert.deepEqual(at, attempts);
      assert.equal((await shop.get(id)).failure?.code, "handler_failed");
    });
  }

  it("that a store throws keeps its HTTP status, and a handler whose commit it refused runs once", async (t) => {
    const { cauce: library, testing } = copy;
    let refusals = 0;
    let commits = 0;
    const full = () => new library.CauceError("store_full", "the disk is full");
    const backend: BackendFactory = async (options) => {
      const inner = testing.memory(options as never) as unknown as LocatedBackend;
      return {
        ...inner,
        place: (order) => (refusals++ === 0 ? Promise.reject(full()) : inner.place(order)),
        commit: (change, delivery) => (commits++ === 0 ? Promise.reject(full()) : inner.commit(change, delivery)),
      };
    };
    let runs = 0;
    const ran = Promise.withResolvers<void>();
    const app = appBy(own, () => {
      runs++;
      ran.resolve();
      return "done";
    });
    const { cauce, kept } = await opened(t, app, backend);
    const headers = { "content-type": "application/json" };
    const send = () => cauce.fetch(new Request("http://shop.example/orders", { method: "POST", headers, body: "{}" }));
    const refused = await send();
    assert.equal(refused.status, 503);
    assert.equal(refused.headers.get("retry-after"), "30");
    await cauce.start();
    const { id } = (await (await send()).json()) as { id: string };
    await ran.promise;
    await kept.logged("attempt done");
    assert.deepEqual([(await cauce.get("orders", id))?.status, runs, commits], ["done", 1, 2]);
  });

  it("that an app throws while it loads is told with its code", async () => {
    const file = join(copy.directory, "app.ts");
    const source = 'import { defineWorkflow } from "./src/index.ts";\ndefineWorkflow({ name: "Orders" } as never);\n';
    writeFileSync(file, source);
    await assert.rejects(loadApp(file), cauceError("workflow_invalid", /the name must match/));
  });
});

async function opened(t: TestContext, app: App, backend: BackendFactory = memory) {
  const kept = keptLog();
  const cauce = await createCauce({ apps: app, backend, log: kept.log });
  atEnd(t, () => cauce.close());
  return { cauce, kept };
}

describe("an app of a second copy of the package and of zod", () => {
  it("is known, runs, and finds its operations by the app and by its workflow", async (t) => {
    const app = appBy(copy, () => "done");
    assert.ok(isApp(app) && isWorkflow(app.workflow) && !isApp(app.workflow) && !isWorkflow(app));
    const { cauce, kept } = await opened(t, app);
    await cauce.start();
    const { order } = await cauce.workflow(app).place({});
    await kept.logged("attempt done");
    assert.equal((await cauce.workflow(app.workflow).get(order.id))?.status, "done");
  });

  it("may have a workflow that the other copy defined", async (t) => {
    const { workflow } = appBy(copy, () => "done");
    const shop = await testWorkflow(implement(workflow, { handlers: { received: () => "done" } as never }));
    t.after(() => shop.close());
    assert.equal((await shop.place({} as never)).status, "done");
  });

  it("is no object that only looks like an app or a workflow", async () => {
    const app = appBy(copy, () => "done");
    const lookalike = { workflow: { ...app.workflow }, handlers: app.handlers } as App;
    const refused = cauceError("app_invalid");
    await assert.rejects(createCauce({ apps: lookalike, backend: memory }), refused);
    await assert.rejects(testWorkflow(lookalike), refused);
    assert.throws(() => implement({ name: "orders", statuses: {} } as never, { handlers: {} as never }), refused);
    // A copy of an app with other resources is an app.
    assert.ok(isApp({ ...app, resources: () => ({}) }));
  });

  it("is told of faults in data by path, and of an asynchronous check as the app's fault", async (t) => {
    const { zod } = copy;
    const data = zod.object({ sku: zod.string().meta({ description: "The article." }) });
    const { cauce } = await opened(
      t,
      appBy(copy, () => "done", data),
    );
    await assert.rejects(cauce.place("orders", { sku: 5 }), cauceError("invalid_data", /schema: sku: /));
    const document = await (await cauce.fetch(new Request("http://shop.example/openapi.json"))).text();
    assert.match(document, /The article\./);

    const slow = zod.object({ sku: zod.string().refine(async () => true) });
    const other = await opened(
      t,
      appBy(copy, () => "done", slow),
    );
    await assert.rejects(other.cauce.place("orders", { sku: "a" }), cauceError("schema_unsupported", /asynchronous/));
  });

  it("with a schema that is not of zod 4 is refused", () => {
    const schema = { safeParse: () => ({ success: true }) } as never;
    assert.throws(
      () => appBy(own, () => "done", schema),
      cauceError("workflow_invalid", /must be a zod schema, of zod 4/),
    );
  });
});

describe("what comes of another realm", () => {
  const realm = createContext({});
  const elsewhere = (source: string): unknown => runInContext(source, realm);

  it("is an error with its message, reason and stack where a handler throws one", async (t) => {
    const error = () => elsewhere("new TypeError('fetch failed', { cause: new Error('connect ECONNREFUSED') })");
    const kept = keptLog();
    const shop = await testWorkflow(appBy(own, throwing(error)), { log: kept.log });
    t.after(() => shop.close());
    const { id } = await shop.place({} as never);
    assert.equal(shop.attempts(id)[0]?.error, "fetch failed: connect ECONNREFUSED");
    const { stack } = kept.of("attempt failed")[0]?.fields ?? {};
    assert.match(String(stack), /^TypeError: fetch failed\n[\s\S]*\ncaused by: Error: connect ECONNREFUSED\n/);
  });

  it("is an object of results", async (t) => {
    const shop = await testWorkflow(appBy(own, () => elsewhere("({ to: 'done', results: { n: 1, inner: {} } })")));
    t.after(() => shop.close());
    assert.deepEqual((await shop.place({} as never)).results, { n: 1, inner: {} });
  });

  it("is a date at which a test starts", async (t) => {
    const startAt = elsewhere("new Date(0)") as Date;
    const shop = await testWorkflow(
      appBy(own, () => "done"),
      { startAt },
    );
    t.after(() => shop.close());
    assert.equal(shop.clock.now(), 0);
  });
});
