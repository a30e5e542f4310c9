/** Makes the load if wrk is not installed. Usage: node bench/autocannonLoad.ts URL SECONDS CONNECTIONS */
import autocannon from "autocannon";
import type { Load } from "./lib/load.ts";
import { sampleOrder } from "./lib/sampleOrders.ts";

const [url = "", seconds, connections] = process.argv.slice(2);
const requestsEach = 150;

const result = await autocannon({
  url,
  connections: Number(connections),
  duration: Number(seconds),
  setupClient(client) {
    client.setRequests(
      Array.from({ length: requestsEach }, () => ({
        method: "POST" as const,
        headers: { "content-type": "application/json" },
        body: JSON.stringify(sampleOrder()),
      })),
    );
  },
});

const load: Load = {
  accepted: result["2xx"],
  seconds: result.duration,
  refused: result.non2xx + result.errors + result.timeouts,
  p99Milliseconds: result.latency.p99,
};
console.log(JSON.stringify(load));
