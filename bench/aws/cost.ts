/** `npm run bench:aws`: what one order takes on AWS, counted on emulators, and what a million of them cost. */
import { parseArgs } from "node:util";
import { type Measured, measureOrders } from "./measure.ts";
import { assumed, dollarsPerMillion, type Usage } from "./prices.ts";

const { values } = parseArgs({
  options: { json: { type: "boolean", default: false }, orders: { type: "string", default: "200" } },
});

/**
 * Counts for each order. An event source receives a batch with one call and deletes it with one. The topic sends each
 * message by itself.
 */
function usageOf(measured: Measured): Usage {
  const { processingInvocations, snsCalls, sqsCalls } = measured;
  return {
    httpRequests: 1,
    requestInvocations: 1,
    processingInvocations,
    writeUnits: measured.tableUnits + measured.indexUnits,
    readUnits: measured.readUnits,
    snsRequests: snsCalls,
    sqsRequests: sqsCalls + 2 * processingInvocations,
  };
}

const bounds = { tableWrites: 4, snsCalls: 1.3, dollars: 10, itemBytes: 1_024 };

const measured = await measureOrders({ orders: Number(values.orders) });
const dollars = dollarsPerMillion(usageOf(measured));
const total = Object.values(dollars).reduce((sum, each) => sum + each, 0);

if (values.json) console.log(JSON.stringify({ ...measured, assumed, dollarsPerMillion: dollars, total }));
else {
  const row = (what: string, number: number, digits = 2) =>
    console.log(`${what.padEnd(34)}${number.toFixed(digits).padStart(8)}`);
  console.log(
    `one order of three handled statuses, ${measured.dataBytes} bytes of data (the mean of ${measured.orders})\n`,
  );
  for (const [action, count] of Object.entries(measured.calls)) row(`calls of ${action}`, count);
  row("items read", measured.itemsRead);
  row("write units of the table", measured.tableUnits);
  row("write units of the index", measured.indexUnits);
  row("read units", measured.readUnits);
  for (const [n, bytes] of measured.itemBytes.entries()) row(`bytes of the item at write ${n + 1}`, bytes, 0);
  console.log("\ndollars for a million orders (us-east-1, on demand, 2026-11-24)\n");
  for (const [what, each] of Object.entries(dollars)) row(what, each);
  row("in all", total);
}

const missed = [
  ...(measured.tableWrites > bounds.tableWrites ? [`${measured.tableWrites} writes`] : []),
  ...(measured.snsCalls > bounds.snsCalls ? [`${measured.snsCalls} calls of SNS`] : []),
  ...(Math.max(...measured.itemBytes) > bounds.itemBytes
    ? [`an item of ${Math.max(...measured.itemBytes)} bytes`]
    : []),
  ...(total > bounds.dollars ? [`$${total.toFixed(2)} a million`] : []),
];
if (missed.length > 0) {
  console.error(`past the bounds (${JSON.stringify(bounds)}): ${missed.join(", ")}`);
  process.exitCode = 1;
}
