/**
 * `npm run chaos:aws`: runs the example's stack on this machine while calls fail, messages come twice and in any order,
 * and functions are killed, and checks that no order is lost, stuck or moved twice. `--json` prints one line; `--orders` (2000), `--delivery`, `--processors`,
 * `--seed` and `--patience-seconds` (900).
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { synthesize } from "../src/infra/cdk/synth.ts";
import { chaosRun } from "./chaosAws/run.ts";

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    orders: { type: "string", default: "2000" },
    delivery: { type: "string", default: "standard" },
    processors: { type: "string", default: "shared" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    "patience-seconds": { type: "string", default: "900" },
  },
});
const module = fileURLToPath(new URL("../examples/orders/orders.app.ts", import.meta.url));
const { default: app } = (await import(module)) as {
  default: typeof import("../examples/orders/orders.app.ts").default;
};
const directory = mkdtempSync(join(tmpdir(), "cauce-chaos-"));
try {
  const orders = Number(values.orders);
  await synthesize({
    ...{ app, module, access: "public", outDirectory: directory, checks: false },
    delivery: values.delivery === "fifo" ? "fifo" : "standard",
    processors: values.processors === "per-status" ? "per-status" : "shared",
  });
  const run = await chaosRun({
    ...{ assembly: directory, workflow: app.workflow, orders, seed: Number(values.seed) },
    patienceSeconds: Number(values["patience-seconds"]),
    dataOf: (note, index) => ({
      customerId: `c-${index % Math.ceil(orders / 5)}`,
      currency: "EUR",
      items: [{ sku: "TEA-1", quantity: 2, unitPrice: 4.5 }],
      note,
    }),
    onProgress: (line) => void process.stderr.write(`${line}\n`),
  });
  const { placed, lost, stuck, appliedTwice, faults } = run;
  for (const fault of faults) process.stderr.write(`${fault}\n`);
  process.stderr.write(`seed ${values.seed}, ${run.seconds.toFixed(0)} s, ${JSON.stringify(run.struck)}\n`);
  const result = { placed, lost, stuck, appliedTwice };
  process.stdout.write(
    values.json
      ? `${JSON.stringify(result)}\n`
      : `${placed} placed, ${lost} lost, ${stuck} stuck, ${appliedTwice} applied twice\n`,
  );
  if (placed !== orders || lost + stuck + appliedTwice > 0) process.exitCode = 1;
} finally {
  rmSync(directory, { recursive: true, force: true });
}
