import { fileURLToPath } from "node:url";

/** The file of TypeScript's compiler, to be run with Node. */
export const compiler = fileURLToPath(import.meta.resolve("typescript/package.json")).replace(
  /package\.json$/,
  "bin/tsc",
);
