import { file, rehearse } from "./embedded.ts";

console.log(await file("embedded-data", { policy: "p-1", amount: 500 }));
await rehearse();
