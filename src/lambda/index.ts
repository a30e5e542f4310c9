export { sweepHandler } from "./maintenance.ts";
export type { Invocation } from "./open.ts";
export { processingHandler, type SqsAnswer, type SqsEvent, type SqsRecord } from "./processing.ts";
export { type HttpAnswer, type HttpEvent, requestHandler } from "./request.ts";
