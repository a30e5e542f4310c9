export type { Orders } from "../api/orders.ts";
export type {
  CallOptions,
  FailedFilter,
  Failures,
  InputOf,
  KeyedOptions,
  OrderOf,
  OrdersQuery,
  PageQuery,
  Queue,
  Stored,
  Transition,
  WorkflowOf,
} from "../api/types.ts";
export { ClientError } from "./clientError.ts";
export { createClient } from "./createClient.ts";
export type { Client, ClientOptions, WaitOptions } from "./types.ts";
