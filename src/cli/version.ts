export { version } from "../http/version.ts";
