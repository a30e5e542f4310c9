/**
 * Makes the fixtures of this folder: stores that an older Cauce left when it was killed with orders in hand, and beside
 * each store that Cauce's reading of it. `madeBy` names the commit that made them. They are never made again, since
 * they test that later code reads them, and existing files are not written over. Run it from a checkout of the version
 * whose stores are wanted, in a copy of this folder without fixtures:
 *
 *   node --conditions=source test/stored/make.ts
 */
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { gzipSync } from "node:zlib";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { aws, resourceNames } from "../../src/backend/aws/index.ts";
import { sqlite } from "../../src/backend/sqlite/index.ts";
import { type BackendFactory, type Cauce, createCauce, type DeliveryMode, type Order } from "../../src/index.ts";
import { type FakeClock, fakeClock } from "../../src/testing/fakeClock.ts";
import { createStack, startEmulators } from "../backend/aws/emulators.ts";
import { load, scan, writeItems } from "./items.ts";
import { appOf, asPlanned, type Parcel } from "./parcels.ts";
import { actor, type Expected, keyOf, namesOf, readAll, statuses, workflow } from "./reading.ts";

const log = { info() {}, warn() {}, error() {} };
/** Refuses to write over an existing fixture. */
const once = { flag: "wx" };
const long = "Ein langer Zettel. ".repeat(60);
const parcelsPaused = ["packed", "weighed", "lost"];

/** A store, and what the death of its process leaves of it. */
interface Store {
  open(): BackendFactory;
  /** Has `open` open the present state of the store from now on, as after SIGKILL. */
  kill(): Promise<void>;
}

interface Made {
  readonly cauces: readonly Cauce[];
  readonly clock: FakeClock;
  readonly keyed: readonly string[];
  readonly removedId: string;
  /** Ends the handlers and the processes. No fixture has what they write then. */
  end(): Promise<void>;
}

async function makeOrders(store: Store, delivery: DeliveryMode): Promise<Made> {
  const clock = fakeClock();
  const keyed: string[] = [];
  const ids = new Map<string, string>();
  const cauces: Cauce[] = [];
  const hanging: (() => void)[] = [];
  const hang = () =>
    new Promise<never>((_, reject) => {
      hanging.push(() => reject(new Error("the process ended")));
    });
  const open = async (lost: boolean): Promise<Cauce> => {
    const cauce = await createCauce({
      ...{ apps: appOf(asPlanned(hang), { lost }), backend: store.open(), delivery, clock, log, actor },
      ...{ random: () => 0.5, unknownStatuses: "fail" },
    });
    cauces.push(cauce);
    return cauce;
  };
  const place = async (cauce: Cauce, parcel: Parcel, key = false): Promise<void> => {
    clock.advance(1);
    const options = {
      requestId: `request of ${parcel.label}`,
      ...(key ? { idempotencyKey: keyOf(parcel.label) } : {}),
    };
    const { order } = await cauce.place(workflow, parcel, options);
    ids.set(parcel.label, order.id);
    if (key) keyed.push(parcel.label);
  };
  const until = async (cauce: Cauce, label: string, is: (order: Order) => boolean): Promise<Order> => {
    for (;;) {
      const order = await cauce.get(workflow, ids.get(label) as string);
      if (order !== undefined && is(order)) return order;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const reaches = (cauce: Cauce, label: string, status: string) =>
    until(cauce, label, (order) => order.status === status);
  const fails = (cauce: Cauce, label: string) => until(cauce, label, ({ failure }) => failure !== null);

  const first = await open(true);
  await first.start();
  for (const status of parcelsPaused) await first.pause(workflow, status);

  await place(first, { label: "swept", plan: { received: ["to packed"] } });
  await reaches(first, "swept", "packed");
  await place(first, { label: "expired", plan: { received: ["to asked"] } });
  await reaches(first, "expired", "asked");
  clock.advance(86_400);
  await reaches(first, "expired", "dropped");

  await place(first, { label: "sent", plan: { received: ["to sent"] } }, true);
  await place(first, { label: "sent large", note: long, plan: { received: ["to sent large"] } }, true);
  await place(first, { label: "exhausted", plan: { received: ["to fragile"], fragile: ["throw the glass broke in"] } });
  await place(first, { label: "removed", plan: { received: ["to sent"] } }, true);
  await place(first, { label: "moved", plan: { received: ["to asked"] } });
  await place(first, { label: "asked", plan: { received: ["to asked"] } }, true);
  await place(first, { label: "held", plan: { received: ["to held"] } });
  await place(first, { label: "lost", plan: { received: ["to lost"] } });
  await place(first, { label: "failed", plan: { received: ["stop no address for"] } }, true);
  await place(first, { label: "failed alike", plan: { received: ["stop no address for"] } });
  await place(first, {
    label: "failed late",
    plan: { received: ["retry 1", "retry 1", "throw the scale is off for"] },
  });
  await place(first, { label: "delayed", plan: { received: ["retry 1", "retry 7200"] } });
  await place(first, { label: "delayed a little", plan: { received: ["retry 600"] } });
  await place(first, { label: "queued", plan: { received: ["to packed"] } }, true);
  await place(first, { label: "queued large", note: long, plan: { received: ["to packed large"] } });
  const turning = { received: ["to turning"], turning: ["turn 56 sent"], returning: ["turn 56 sent"] };
  await place(first, { label: "long", plan: turning });
  const turns = ["turn 53 packed"];
  await place(first, { label: "long and queued", plan: { ...turning, turning: turns, returning: turns } });
  await place(first, { label: "group head", customer: "a", plan: { received: ["retry 7200"] } });
  await until(first, "group head", ({ attempts }) => attempts >= 1);
  await place(first, { label: "group second", customer: "a", plan: { received: ["to packed"] } });
  await place(first, {
    label: "group third",
    customer: "a",
    note: "ünïcode 👩‍👩‍👧",
    plan: { received: ["to packed"] },
  });
  await place(first, { label: "other group", customer: "b", plan: { received: ["to packed"] } });
  const weighed = { received: ["to weighed"], weighed: ["hang"] };
  for (const label of ["in hand", "in hand too", "behind"]) await place(first, { label, plan: weighed });

  for (const label of ["sent", "sent large", "removed", "long"]) await reaches(first, label, "sent");
  for (const label of ["asked", "moved"]) await reaches(first, label, "asked");
  for (const label of ["queued", "queued large", "long and queued", "other group"])
    await reaches(first, label, "packed");
  for (const label of ["in hand", "in hand too", "behind"]) await reaches(first, label, "weighed");
  if (delivery === "standard") await reaches(first, "group third", "packed");
  await reaches(first, "held", "held");
  await reaches(first, "lost", "lost");
  await reaches(first, "exhausted", "dropped");
  for (const label of ["failed", "failed alike"]) await fails(first, label);
  await until(first, "failed late", ({ attempts }) => attempts >= 1);
  await until(first, "delayed", ({ attempts }) => attempts >= 1);
  clock.advance(1);
  await until(first, "failed late", ({ attempts }) => attempts >= 2);
  await until(first, "delayed", ({ attempts }) => attempts >= 2);
  clock.advance(1);
  await fails(first, "failed late");
  await until(first, "delayed a little", ({ attempts }) => attempts >= 1);
  const moving = { to: "sent", reason: "the customer called", results: { asked: { by: "phone" } } };
  await first.transition(workflow, ids.get("moved") as string, moving, {
    requestId: "request of moving",
    idempotencyKey: keyOf("moving"),
  });
  await first.remove(workflow, ids.get("removed") as string);
  await first.close();

  const second = await open(false);
  await place(second, { label: "fresh" }, true);
  await place(second, { label: "fresh large", note: long, customer: "c" });
  // Only this status is polled, so the orders placed above stay as they were placed.
  await second.start({ statuses: ["weighed"] });
  await second.resume(workflow, "weighed");
  await untilHanging(hanging, 2);
  await store.kill();

  const third = await open(false);
  await third.start({ statuses: ["weighed"] });
  // A lost attempt is recorded before the next begins.
  await Promise.any(
    ["in hand", "in hand too", "behind"].map((label) => until(third, label, ({ attempts }) => attempts > 0)),
  );
  await store.kill();

  return {
    ...{ cauces, clock, removedId: ids.get("removed") as string },
    keyed: keyed.filter((label) => label !== "removed"),
    async end() {
      for (const handlerEnds of hanging) handlerEnds();
      await Promise.all(cauces.map((cauce) => cauce.close()));
    },
  };
}

async function untilHanging(hanging: readonly unknown[], count: number): Promise<void> {
  while (hanging.length < count) await new Promise((resolve) => setTimeout(resolve, 20));
}

/** Writes the expected reading beside the fixture, read by a Cauce of its own that does not start. */
async function writeExpected(backend: BackendFactory, store: "sqlite" | "aws", delivery: DeliveryMode, made: Made) {
  const at = made.clock.now();
  const app = appOf(() => "sent");
  const cauce = await createCauce({ apps: app, backend, delivery, clock: fakeClock(at), log, actor });
  const { keyed, removedId } = made;
  const madeBy = execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim();
  const expected: Expected = { madeBy, at, keyed, removedId, ...(await readAll(cauce)) };
  await cauce.close();
  writeFileSync(namesOf(store, delivery).expected, linesOf(expected), once);
}

/** Writes JSON with one order a line. */
function linesOf(expected: Expected): string {
  const inner = (value: unknown): string => {
    if (value === null || typeof value !== "object") return JSON.stringify(value);
    const of = Object.entries(value).map(([name, each]) => {
      return Array.isArray(value) ? JSON.stringify(each) : `${JSON.stringify(name)}: ${JSON.stringify(each)}`;
    });
    const [open, close] = Array.isArray(value) ? "[]" : "{}";
    return `${open}\n    ${of.join(",\n    ")}\n  ${close}`;
  };
  const fields = Object.entries(expected).map(([name, value]) => `  ${JSON.stringify(name)}: ${inner(value)}`);
  return `{\n${fields.join(",\n")}\n}\n`;
}

async function makeSqlite(delivery: DeliveryMode): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), "cauce-stored-"));
  const folders = [mkdtempSync(join(root, "store-"))];
  const folder = () => folders.at(-1) as string;
  const made = await makeOrders(
    {
      open: () => sqlite({ directory: folder() }),
      async kill() {
        const left = folder();
        folders.push(mkdtempSync(join(root, "store-")));
        copyFile(left, folder());
      },
    },
    delivery,
  );
  const file = join(folder(), `${workflow}.db`);
  const db = new DatabaseSync(file);
  db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  db.close();
  writeFileSync(namesOf("sqlite", delivery).stored, gzipSync(readFileSync(file), { level: 9 }), once);
  await writeExpected(sqlite({ directory: folder() }), "sqlite", delivery, made);
  await made.end();
  rmSync(root, { recursive: true });
}

/** Copies what a killed process leaves: the file and its write-ahead log. */
function copyFile(from: string, to: string): void {
  for (const name of [`${workflow}.db`, `${workflow}.db-wal`]) cpSync(join(from, name), join(to, name));
}

async function makeAws(delivery: DeliveryMode): Promise<void> {
  const stages = { made: `made${delivery}`, read: `read${delivery}` };
  const stack = await createStack({ workflow, stage: stages.made, mode: delivery, statuses });
  const options = { ...stack, shards: 2, pollSeconds: 1 };
  const dynamo = new DynamoDBClient();
  const made = await makeOrders(
    // Leases end by the machine's clock, so a second process gets the deliveries that a first has in hand.
    { open: () => aws({ ...options, stage: stages.made }), async kill() {} },
    delivery,
  );
  const items = await scan(dynamo, resourceNames(workflow, stages.made, delivery).table);
  writeItems(namesOf("aws", delivery).stored, items);
  await made.end();
  await stack.remove();
  const other = await createStack({ workflow, stage: stages.read, mode: delivery, statuses });
  await load(dynamo, resourceNames(workflow, stages.read, delivery).table, items);
  await writeExpected(aws({ ...options, ...other, stage: stages.read }), "aws", delivery, made);
  await other.remove();
  dynamo.destroy();
}

for (const delivery of ["standard", "fifo"] as const) await makeSqlite(delivery);
const emulators = await startEmulators();
for (const delivery of ["standard", "fifo"] as const) await makeAws(delivery);
await emulators.stop();
