/** Makes the load if wrk is not installed. Usage: node bench/autocannonLoad.ts URL SECONDS CONNECTIONS [PER_SECOND] */
import autocannon from "autocannon";
import type { Load } from "./lib/load.ts";
import { sampleOrder } from "./lib/sampleOrders.ts";

const [url = "", seconds, connections, perSecond] = process.argv.slice(2);
const requestsEach = 150;
let overloaded = 0;

const result = await autocannon({
  url,
  connections: Number(connections),
  duration: Number(seconds),
  ...(perSecond === undefined ? {} : { overallRate: Number(perSecond) }),
  setupClient(client) {
    client.setRequests(
      Array.from({ length: requestsEach }, () => ({
        method: "POST" as const,
        headers: { "content-type": "application/json" },
        body: JSON.stringify(sampleOrder()),
        onResponse(status: number, body: string) {
          if (status === 503 && body.includes('"code":"overloaded"')) overloaded++;
        },
      })),
    );
  },
});

const load: Load = {
  accepted: result["2xx"],
  seconds: result.duration,
  overloaded,
  broken: result.non2xx - overloaded + result.errors + result.timeouts,
  p99Milliseconds: result.latency.p99,
};
console.log(JSON.stringify(load));
