import { aws } from "../../../src/backend/aws/index.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { createEngine } from "../../../src/engine/createEngine.ts";
import { type Cell, cells, createApp, kinds, type Stage, sleep, untilEnded, workflow } from "./faultCells.ts";
import { type Fault, nameOf, stageName } from "./faults.ts";

/** The calls that a process makes and a function does not. */
const processKinds = {
  indexCount: { action: "Query", has: ['"standing"', '"Limit":1000'] },
  queueCount: { action: "GetQueueAttributes", has: ["ApproximateNumberOfMessages"] },
  queueUrl: { action: "GetQueueUrl" },
  queueArn: { action: "GetQueueAttributes", has: ["QueueArn"] },
};

const { deleted, hidden, read, received, meta, shards } = kinds;
const failsOnce = { data: { fails: true } };
/** The message of a visit that is over comes back, and `settle` deletes it. */
const comesBack = { first: [{ site: { kind: deleted }, fault: "refused" as const }] };
const putOff = { first: [{ site: { kind: read }, fault: "refused" as const }] };

export const rows: readonly Cell[] = [
  ...cells.place,
  { name: "receive", site: { kind: received, has: ["-received-"] } },
  { name: "receive: the look at the pauses", site: { kind: meta, nth: 2 }, placedAfterSeconds: 5 },
  ...cells.attempt,
  ...cells.commit,
  { name: "commit: the old message goes", site: { kind: deleted } },
  { name: "commit: the last message goes", site: { kind: deleted, nth: 2 } },
  { name: "commit again: the old message goes", site: { kind: deleted }, ...failsOnce, only: "standard" },
  { name: "commit again: the invisibility", site: { kind: hidden }, ...failsOnce, only: "fifo" },
  ...cells.settle,
  { name: "settle again: the old message goes", site: { kind: deleted }, ...putOff, only: "standard" },
  { name: "settle done: the old message goes", site: { kind: deleted }, ...comesBack },
  ...cells.redeliver,
  ...cells.sweep,
  { name: "start: the table's own item", site: { kind: meta } },
  { name: "start: the count of shards", site: { kind: shards } },
  { name: "start: the look for a queue", site: { kind: processKinds.queueUrl } },
  { name: "start: the topic's account", site: { kind: processKinds.queueArn } },
  { name: "start: the counts of the index", site: { kind: processKinds.indexCount } },
  { name: "start: the counts of a queue", site: { kind: processKinds.queueCount } },
];
const looksUp: readonly object[] = [processKinds.queueUrl, processKinds.queueArn];

/** Has a process place and handle the order, and a second process when the first has died. */
export async function endsOnce(stage: Stage, cell: Cell, fault: Fault): Promise<void> {
  const { stack, delivery, proxy } = stage;
  const app = createApp();
  const clock = systemClock();
  const said: string[] = [];
  const say = (fields: object, message: string) => {
    said.push(`${new Date().toISOString()} ${message} ${JSON.stringify(fields)}`);
  };

  const open = async (number: number) => {
    const named = (text = "") => text.replaceAll(stageName(stage.number), nameOf(stage.number, number));
    const known = { topicArn: named(stack.topicArn), queueUrl: (status: string) => named(stack.queueUrl(status)) };
    const backend = await aws({
      stage: nameOf(stage.number, number),
      ...(looksUp.includes(cell.site.kind) ? {} : known),
      ...{ pollSeconds: 2, shards: 1, onWarning: say },
    })({ workflow: workflow.name, delivery, clock, leaseSeconds: { received: 2, packed: 2 } });
    const engine = createEngine({
      app,
      backend: { ...backend, receive: (asked) => backend.receive({ ...asked, leaseSeconds: 2 }) },
      clock,
      random: Math.random,
      log: { info: say, warn: say, error: say },
      actor: { runtime: "node", name: `process ${number}` },
    });
    return { number, engine, backend };
  };
  type Opened = Awaited<ReturnType<typeof open>>;
  const opened: Opened[] = [];
  let now = 1;
  let over = false;
  /** Starts a process, and again while it does not start, as a supervisor does. Resolves to undefined where it died. */
  const start = async (number: number): Promise<Opened | undefined> => {
    while (!over && now === number) {
      try {
        const next = await open(number);
        opened.push(next);
        // The cell sweeps when a sweep is needed. A sweep each second would make hundreds of calls.
        await next.engine.start({ sweeps: false });
        return next;
      } catch (error) {
        say({ number, error: String(error) }, "not started");
        await sleep(500);
      }
    }
    return undefined;
  };
  const trouble = proxy.trouble(stage.number, [...(cell.first ?? []), { site: cell.site, fault }], (killed) => {
    now = killed + 1;
    // No call of a killed process reaches a service, so the process is stopped.
    for (const { number, engine } of opened) if (number === killed) void engine.stop();
    running = start(now);
  });
  let running = start(now);
  const client = async (): Promise<void> => {
    await sleep((cell.placedAfterSeconds ?? 0) * 1_000);
    while (!over) {
      const process = await running;
      const placed = await process?.engine.place(cell.data ?? {}, { idempotencyKey: "one" }).catch(() => undefined);
      if (placed !== undefined || (cell.clientDies && trouble.begun > 0)) return;
      await sleep(200);
    }
  };
  const sweep = async (): Promise<void> => {
    const { engine } = (await running) ?? {};
    await engine?.maintain("sweep", () => true).catch((error) => say({ error: String(error) }, "sweep failed"));
  };
  let sweeping: Promise<void> | undefined;
  const onOverdue = () => {
    sweeping ??= sweep().finally(() => {
      sweeping = undefined;
    });
  };
  const placing = client();
  try {
    await untilEnded(stage, { cell, trouble, onOverdue, said });
  } finally {
    over = true;
    await running;
    await Promise.all(opened.map(({ engine }) => engine.stop()));
    await Promise.all([placing, sweeping, ...opened.map(({ backend }) => backend.close())]);
  }
}
