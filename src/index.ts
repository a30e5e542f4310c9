export type { Orders } from "./api/orders.ts";
export type * from "./api/types.ts";
export type { Backend, BackendFactory, DeliveryMode, Depth, FailureGroup, LocatedBackend } from "./backend/port.ts";
export { type Cauce, type CauceOptions, createCauce } from "./cauce.ts";
export { type Clock, type Random, systemClock } from "./core/clock.ts";
export { defineWorkflow } from "./core/defineWorkflow.ts";
export {
  CauceError,
  defaultRetry,
  type ErrorCode,
  errorCodes,
  type Fault,
  PermanentError,
  RetryError,
  type RetryPolicy,
} from "./core/errors.ts";
export { type App, type Handler, type HandlerContext, implement, type Log, lazy } from "./core/handlers.ts";
export type { HistoryEntry, Order } from "./core/order.ts";
export {
  type AnyWorkflow,
  type DataOf,
  final,
  type ResultsOf,
  type StatusName,
  type Workflow,
} from "./core/workflow.ts";
export type { StartOptions } from "./engine/engine.ts";
export type { Auth } from "./http/auth.ts";
