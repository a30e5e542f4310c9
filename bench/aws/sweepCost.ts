/**
 * `npm run bench:sweep` measures what a pass of the sweep reads, and how many messages sweeping adds to a long queue.
 */
import { parseArgs } from "node:util";
import { sweepDollars, sweepUnits } from "./prices.ts";
import { measureSweep } from "./sweepMeasure.ts";

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    orders: { type: "string", default: "4000" },
    hours: { type: "string", default: "24" },
    "every-seconds": { type: "string", default: "600" },
  },
});

const measured = await measureSweep({
  orders: Number(values.orders),
  hours: Number(values.hours),
  everySeconds: Number(values["every-seconds"]),
});
const passes = [measured.orders, 100_000, 5_000_000].map((orders) => {
  const otherQueries =
    measured.queries - measured.shards * Math.ceil(measured.orders / measured.shards / measured.looks);
  const units = sweepUnits({ ...measured, orders, otherQueries });
  return { orders, units, dollars: sweepDollars(units) };
});

if (values.json) console.log(JSON.stringify({ ...measured, passes }));
else {
  console.log(
    `${measured.orders} queued orders swept ${measured.sweeps} times in ${measured.hours} simulated hours: ` +
      `${measured.messages} messages each\n` +
      `an entry has ${measured.entryBytes.toFixed(0)} bytes; a pass over them makes ${measured.queries} queries\n`,
  );
  for (const { orders, units, dollars } of passes) {
    console.log(
      `${String(orders).padStart(9)} open orders: ${units.toFixed(0)} read units, $${dollars.toFixed(5)} a pass`,
    );
  }
}
