export { type AwsBackend, type AwsOptions, aws } from "./aws.ts";
export { type ResourceNames, resourceNames } from "./names.ts";
export type { Adopted } from "./queue/deliveries.ts";
