import { describeFaults } from "./describeFaults.ts";

await describeFaults(
  "an order ends once, whatever call of a process fails",
  new URL("./faultProcesses.ts", import.meta.url),
);
