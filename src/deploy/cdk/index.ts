export type { ApiKeys as Access } from "../permissions.ts";
export { Cauce, type CauceProps } from "./cauce.ts";
export type { Throttle } from "./compute.ts";
