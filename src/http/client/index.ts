export { ClientError } from "./clientError.ts";
export { createClient } from "./createClient.ts";
export type {
  CallOptions,
  Client,
  ClientOptions,
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
  WaitOptions,
} from "./types.ts";
