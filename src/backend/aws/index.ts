export { type AwsBackend, type AwsOptions, aws } from "./aws.ts";
export type { Adopted } from "./deliveries.ts";
export { type ResourceNames, resourceNames } from "./names.ts";
