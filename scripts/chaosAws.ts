/**
 * `npm run chaos:aws` runs the example's stack on this machine while calls fail, messages come twice and in any order,
 * and functions are killed. It checks that no order is lost, stuck or moved twice, in standard delivery and in FIFO. In
 * FIFO it also checks that no order overtakes another one of its group.
 * Flags: `--json` prints one line for each delivery; `--orders` (2000), `--delivery` (only this one), `--processors`,
 * `--seed` and `--patience-seconds` (900).
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { synthesize } from "../src/deploy/cdk/synth.ts";
import { chaosRun } from "./chaosAws/run.ts";

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    orders: { type: "string", default: "2000" },
    delivery: { type: "string", multiple: true, default: ["standard", "fifo"] },
    processors: { type: "string", default: "shared" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    "patience-seconds": { type: "string", default: "900" },
  },
});
const module = fileURLToPath(new URL("../examples/orders/orders.app.ts", import.meta.url));
const { default: app } = (await import(module)) as {
  default: typeof import("../examples/orders/orders.app.ts").default;
};
const orders = Number(values.orders);

for (const delivery of values.delivery) {
  const directory = mkdtempSync(join(tmpdir(), "cauce-chaos-"));
  try {
    await synthesize({
      ...{ app, module, access: "public", outDirectory: directory, checks: false },
      delivery: delivery === "fifo" ? "fifo" : "standard",
      processors: values.processors === "per-status" ? "per-status" : "shared",
    });
    await runIn(directory, delivery);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function runIn(assembly: string, delivery: string): Promise<void> {
  const run = await chaosRun({
    ...{ assembly, workflow: app.workflow, orders, seed: Number(values.seed) },
    patienceSeconds: Number(values["patience-seconds"]),
    dataOf: (note, index) => ({
      customerId: `c-${index % Math.ceil(orders / 5)}`,
      currency: "EUR",
      items: [{ sku: "TEA-1", quantity: 2, unitPrice: 4.5 }],
      note,
    }),
    onProgress: (line) => void process.stderr.write(`${line}\n`),
  });
  const { placed, lost, stuck, appliedTwice, outOfOrder, faults, struck } = run;
  for (const fault of faults) process.stderr.write(`${fault}\n`);
  process.stderr.write(`${delivery}, seed ${values.seed}, ${run.seconds.toFixed(0)} s, ${JSON.stringify(struck)}\n`);
  const result = { placed, lost, stuck, appliedTwice };
  process.stdout.write(
    values.json
      ? `${JSON.stringify(result)}\n`
      : `${delivery}: ${placed} placed, ${lost} lost, ${stuck} stuck, ${appliedTwice} applied twice\n`,
  );
  if (placed !== orders || lost + stuck + appliedTwice + outOfOrder > 0) process.exitCode = 1;
  // A fault that never struck proves nothing. FIFO queues bring a message once, and in order.
  const idle = Object.entries(struck).filter(
    ([fault, count]) => count === 0 && !(delivery === "fifo" && (fault === "twice" || fault === "later")),
  );
  if (idle.length === 0) return;
  process.stderr.write(`never struck: ${idle.map(([fault]) => fault).join(", ")}; place more orders\n`);
  process.exitCode = 1;
}
