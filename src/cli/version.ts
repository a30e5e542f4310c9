export { description, version } from "../http/version.ts";
