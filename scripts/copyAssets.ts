/** Copies what is no TypeScript from src to dist, where the compiler leaves it out: the files of the page /docs. */
import { cpSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";

const [source, target] = ["../src", "../dist"].map((path) => fileURLToPath(new URL(path, import.meta.url))) as [
  string,
  string,
];
cpSync(source, target, {
  recursive: true,
  filter: (path) => statSync(path).isDirectory() || !path.endsWith(".ts"),
});
