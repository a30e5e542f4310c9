export type { Invocation } from "./engines.ts";
export { processingHandler, type SqsAnswer, type SqsEvent, type SqsRecord } from "./processing.ts";
export { type HttpAnswer, type HttpEvent, requestHandler } from "./request.ts";
export { sweepHandler } from "./sweep.ts";
