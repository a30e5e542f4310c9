export { type AwsBackend, aws } from "./aws.ts";
export { type ResourceNames, resourceNames } from "./names.ts";
export type { Lease } from "./queue/inFlight.ts";
export type { AwsOptions } from "./table.ts";
