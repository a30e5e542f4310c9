export { type AwsOptions, aws } from "./aws.ts";
