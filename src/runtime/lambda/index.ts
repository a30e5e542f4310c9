export { type HttpAnswer, type HttpEvent, requestHandler } from "./request.ts";
export { processingHandler, type SqsAnswer, type SqsEvent, type SqsRecord } from "./processing.ts";
export { sweepHandler } from "./sweep.ts";
export type { Invocation } from "./engines.ts";
