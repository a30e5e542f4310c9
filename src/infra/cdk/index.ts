export type { Access } from "../access.ts";
export type { Throttle } from "./api.ts";
export { Cauce, type CauceProps } from "./cauce.ts";
