export type { Orders } from "../api/orders.ts";
export type * from "../api/types.ts";
export { ClientError } from "./clientError.ts";
export { createClient } from "./createClient.ts";
export type { Client, ClientOptions, WaitOptions } from "./types.ts";
