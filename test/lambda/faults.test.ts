import { describeFaults } from "../backend/aws/describeFaults.ts";

await describeFaults(
  "an order ends once, whatever call of a function fails",
  new URL("./faultFunctions.ts", import.meta.url),
);
