/**
 * `npm run bench:emulate` measures after how many seconds `cauce emulate` is ready, how many orders a second go through
 * the example's stack to their final status, and how much processor time an order takes. It places orders in batches of
 * 100, then one by one. Flags: `--json` for programs; `--orders` (2000); `--clients`, the number of clients that place
 * one order at a time, 0 for batches (default: 0, then 64); `--delivery standard|fifo` (default: both).
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { Agent, request } from "node:http";
import { availableParallelism, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { systemClock } from "../../src/core/clock.ts";
import { synthesize } from "../../src/deploy/cdk/synth.ts";
import { emulate } from "../../src/emulate/emulate.ts";

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    orders: { type: "string", default: "2000" },
    clients: { type: "string", multiple: true, default: ["0", "64"] },
    delivery: { type: "string" },
  },
});
const wanted = Number(values.orders);
const batchSize = 100;
/** Linux counts processor time in ticks of this length. */
const tickMilliseconds = 10;
const module = fileURLToPath(new URL("../../examples/orders/orders.app.ts", import.meta.url));
const { default: app } = (await import(module)) as {
  default: typeof import("../../examples/orders/orders.app.ts").default;
};

const readySeconds = await timeToReady();
process.stdout.write(
  values.json ? `${JSON.stringify({ readySeconds })}\n` : `ready ${readySeconds.toFixed(1)} s after the command\n`,
);
const ways = (["standard", "fifo"] as const)
  .filter((delivery) => values.delivery === undefined || values.delivery === delivery)
  .flatMap((delivery) => values.clients.map((clients) => ({ delivery, clients: Number(clients) })));
for (const { delivery, clients } of ways) {
  const loadBefore = loadavg()[0] as number;
  const result = { delivery, ...(await measure(delivery, clients)), cores: availableParallelism(), loadBefore };
  const { perSecond, placedPerSecond, processorMillisecondsPerOrder: took } = result;
  const how = clients === 0 ? `batches of ${batchSize}` : `one by one by ${clients} clients`;
  process.stdout.write(
    values.json
      ? `${JSON.stringify(result)}\n`
      : `${delivery}, ${how}: ${perSecond.toFixed(0)} orders/s to their final status (placed at ${placedPerSecond.toFixed(0)}/s), ${took.toFixed(1)} ms of processor time each, with ${result.cores} cores and a load of ${loadBefore.toFixed(1)} before\n`,
  );
}

/** From starting `cauce emulate` to its last line. */
async function timeToReady(): Promise<number> {
  const command = fileURLToPath(new URL("../../bin/cauce.js", import.meta.url));
  const begun = performance.now();
  const child = spawn(
    process.execPath,
    ["--conditions=source", command, "emulate", module, "--public", "--port", "0"],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const exited = once(child, "exit");
  for await (const line of createInterface({ input: child.stdout })) if (line.startsWith("Ctrl+C")) break;
  const seconds = (performance.now() - begun) / 1_000;
  child.kill("SIGTERM");
  const [code] = await exited;
  if (code !== 0) throw new Error(`cauce emulate ended with ${code}`);
  return seconds;
}

async function measure(delivery: "standard" | "fifo", clients: number) {
  const directory = mkdtempSync(join(tmpdir(), "cauce-bench-emulate-"));
  const agent = new Agent({ keepAlive: true });
  try {
    await synthesize({ app, module, access: "public", outDirectory: directory, checks: false, delivery });
    const ended = new Set<string>();
    let expected = Number.POSITIVE_INFINITY;
    let reach = () => {};
    const reached = async (count: number): Promise<void> => {
      const { promise, resolve } = Promise.withResolvers<void>();
      expected = count;
      reach = resolve;
      if (ended.size < count) await promise;
    };
    const emulation = await emulate({
      ...{ assembly: directory, port: 0, clock: systemClock() },
      onLine(_source, line) {
        const id = endOf(line);
        if (id === undefined) return;
        ended.add(id);
        if (ended.size >= expected) reach();
      },
    });
    try {
      const url = `${emulation.urls[0]}/${app.workflow.name}`;
      // During the warm-up the processes start and compile what they run.
      const warm = Math.ceil(wanted / 10);
      await place(agent, url, clients, "warm", warm);
      await reached(warm);
      const processorBefore = processorMilliseconds();
      const begun = performance.now();
      await place(agent, url, clients, "order", wanted);
      const placedSeconds = (performance.now() - begun) / 1_000;
      await reached(warm + wanted);
      const seconds = (performance.now() - begun) / 1_000;
      return {
        orders: wanted,
        clients,
        perSecond: wanted / seconds,
        placedPerSecond: wanted / placedSeconds,
        processorMillisecondsPerOrder: (processorMilliseconds() - processorBefore) / wanted,
      };
    } finally {
      await emulation.close();
    }
  } finally {
    agent.destroy();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The order that has reached its final status, as this line of a function's log says. */
function endOf(line: string): string | undefined {
  if (!line.includes('"attempt done"') || !line.includes('"shipped"')) return undefined;
  return (JSON.parse(line) as { readonly orderId: string }).orderId;
}

async function place(agent: Agent, url: string, clients: number, name: string, count: number): Promise<void> {
  let next = 0;
  const one = async (): Promise<void> => {
    while (next < count) {
      const index = next++;
      await post(agent, url, "application/json", `${name}-${index}`, JSON.stringify(dataOf(index)));
    }
  };
  const batch = async (): Promise<void> => {
    while (next < count) {
      const first = next;
      next = Math.min(count, next + batchSize);
      const lines = Array.from({ length: next - first }, (_, offset) => {
        const key = `${name}-${first + offset}`;
        return `${JSON.stringify({ data: dataOf(first + offset), idempotencyKey: key })}\n`;
      });
      await post(agent, `${url}/batch`, "application/x-ndjson", undefined, lines.join(""));
    }
  };
  await Promise.all(clients === 0 ? [batch(), batch()] : Array.from({ length: clients }, one));
}

function dataOf(index: number): object {
  return { customerId: `c-${index % 400}`, currency: "EUR", items: [{ sku: "TEA-1", quantity: 2, unitPrice: 4.5 }] };
}

function post(agent: Agent, url: string, type: string, key: string | undefined, body: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": type, ...(key === undefined ? {} : { "idempotency-key": key }) };
    const outgoing = request(url, { method: "POST", agent, headers }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on("data", (chunk: Buffer) => chunks.push(chunk));
      answer.on("error", reject);
      answer.on("end", () => {
        const { statusCode = 0 } = answer;
        if (statusCode < 300) resolve();
        else reject(new Error(`placing was refused: ${statusCode} ${Buffer.concat(chunks).toString()}`));
      });
    });
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

/** Processor time of this process with the emulator in it and of the functions' processes, as Linux counts it. */
function processorMilliseconds(): number {
  const children = readdirSync("/proc/self/task").flatMap((task) =>
    readFileSync(`/proc/self/task/${task}/children`, "utf8").split(" ").filter(Boolean),
  );
  const ticks = ["self", ...children].map((process) => {
    // The name of the program, which may hold spaces, ends with the last parenthesis.
    const fields = readFileSync(`/proc/${process}/stat`, "utf8")
      .replace(/^.*\) /s, "")
      .split(" ");
    return Number(fields[11]) + Number(fields[12]);
  });
  return ticks.reduce((sum, each) => sum + each, 0) * tickMilliseconds;
}
