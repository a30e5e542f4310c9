export { type AwsBackend, aws } from "./aws.ts";
export type { AwsOptions } from "./context.ts";
export { type ResourceNames, resourceNames } from "./names.ts";
export type { Lease } from "./queue/inFlight.ts";
