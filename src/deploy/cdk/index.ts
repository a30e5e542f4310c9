export type { ApiKeys as Access } from "../apiKeys.ts";
export type { Throttle } from "./api.ts";
export { Cauce, type CauceProps } from "./cauce.ts";
