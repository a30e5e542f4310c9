// Places orders through the library of a checkout, without a server, and sends what a placing passed to the process that
// started this one. Arguments: the checkout, and the backend: sqlite or aws.
import { randomUUID } from "node:crypto";
import { globSync, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { appFile, ordersMeasured, ordersWarming, orderText } from "./example.ts";
import { addCalls, type Called } from "./passed.ts";
import { takeAll, takeHere } from "./record.ts";

export interface Placing {
  readonly whole: Called[];
  /** What it passed between the call of the port's `place` and its answer. */
  readonly port: Called[];
}

// The checkout may be an older one: these are the parts of its exports that have not changed since.
interface Backend {
  place(order: object): Promise<object>;
}
interface FactoryOptions {
  readonly onBatch?: (...told: unknown[]) => void;
}
type Factory = (options: FactoryOptions) => Backend | Promise<Backend>;
interface Cauce {
  fetch(request: Request): Response | Promise<Response>;
  close(): Promise<void>;
}
interface App {
  readonly workflow: { readonly name: string; readonly statuses: Readonly<Record<string, object>> };
}
interface Stack {
  remove(): Promise<void>;
}
interface EmulatorSupport {
  startEmulators(): Promise<{ stop(): Promise<void> }>;
  createStack(options: object): Promise<Stack>;
}

const [checkout = ".", backendName] = process.argv.slice(2);
const { resolve } = createRequire(join(checkout, "package.json"));
const load = (file: string) => import(pathToFileURL(file).href);

/** Opens the backend and gives what closes what lies below it. */
async function openStore({ workflow }: App): Promise<{ factory: Factory; close: () => Promise<void> }> {
  if (backendName === "sqlite") {
    const { sqlite }: { sqlite(options: object): Factory } = await load(resolve("cauce/sqlite"));
    const directory = mkdtempSync(join(tmpdir(), "cauce-order-way-"));
    return { factory: sqlite({ directory }), close: async () => rmSync(directory, { recursive: true, force: true }) };
  }
  const { aws }: { aws(options: object): Factory } = await load(resolve("cauce/aws"));
  const [file] = globSync("test/**/emulators.ts", { cwd: checkout });
  if (file === undefined) throw new Error(`${checkout} has no test/**/emulators.ts, which makes the resources on AWS`);
  const { startEmulators, createStack }: EmulatorSupport = await load(join(checkout, file));
  const emulators = await startEmulators();
  const stage = `way-${randomUUID().slice(0, 8)}`;
  const statuses = Object.keys(workflow.statuses);
  const stack = await createStack({ workflow: workflow.name, stage, mode: "standard", statuses });
  return { factory: aws({ stage, ...stack }), close: () => emulators.stop() };
}

let above: Called[] = [];
let below: Called[] = [];

/** Parts what is passed above the port from what is passed below it: the port's `place`, until it answers. */
function recorded(factory: Factory): Factory {
  return async (options) => {
    const { onBatch } = options;
    // The backend tells the engine of its transactions. What the engine does with that lies above the port.
    const told = (...batch: unknown[]) => {
      below = addCalls(below, takeHere());
      onBatch?.(...batch);
      above = addCalls(above, takeHere());
    };
    const backend = await factory({ ...options, ...(onBatch === undefined ? {} : { onBatch: told }) });
    const place = async (order: object) => {
      above = addCalls(above, takeHere());
      const placed = await backend.place(order);
      below = addCalls(below, ...(await takeAll()));
      return placed;
    };
    return new Proxy(backend, { get: (target, key) => (key === "place" ? place : Reflect.get(target, key)) });
  };
}

const { default: app }: { default: App } = await load(join(checkout, appFile));
const { createCauce }: { createCauce(options: object): Promise<Cauce> } = await load(resolve("cauce"));
const { factory, close } = await openStore(app);
const cauce = await createCauce({ apps: app, backend: recorded(factory) });

async function place(): Promise<Placing> {
  await takeAll();
  [above, below] = [[], []];
  const headers = { "content-type": "application/json" };
  const request = new Request("http://localhost/orders", { method: "POST", headers, body: orderText });
  const response = await cauce.fetch(request);
  if (response.status !== 202) throw new Error(`the placing was answered ${response.status}: ${await response.text()}`);
  const after = await takeAll();
  return { whole: addCalls(above, below, ...after), port: below };
}

for (let warmed = 0; warmed < ordersWarming; warmed++) await place();
const placings: Placing[] = [];
while (placings.length < ordersMeasured) placings.push(await place());
await cauce.close();
await close();
process.send?.(placings, () => process.exit());
