export { type AwsBackend, type AwsOptions, aws } from "./aws.ts";
export { resourceNames, type ResourceNames } from "./names.ts";
