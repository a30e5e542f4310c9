#!/usr/bin/env -S node --max-semi-space-size=16
// Plain JavaScript on purpose, like checkNode.js: on a Node that is too old, that one speaks and ends the process
// before anything newer is read. A name that such a Node does not export would keep this file from being run at all,
// so those are taken from the whole module.
import module from "node:module";
import { basename, dirname } from "node:path";
import { setFlagsFromString } from "node:v8";
import "./checkNode.js";

// For what comes from now on: the heap grows no further than to twice what is alive, and the writer's thread gets the
// young generation that it asks for, not the main thread's of 16 MB.
setFlagsFromString("--heap-growing-percent=100");
setFlagsFromString("--max-semi-space-size=0");

// A command starts in about half the time when what it loads was compiled by an earlier one.
module.enableCompileCache();

const { main } = await import("#cli").catch((error) => {
  // A checkout, or a project, in which nothing is installed yet.
  const [, missing] = /^Cannot find package '(.+?)'/.exec(error.message) ?? [];
  if (error.code !== "ERR_MODULE_NOT_FOUND" || missing === undefined) throw error;
  const directory = dirname(import.meta.dirname);
  const how =
    basename(dirname(directory)) === "node_modules" ? "npm install in your project" : `npm ci in ${directory}`;
  console.error(`package_missing: Cauce needs ${missing}, which is not installed; run ${how}`);
  process.exit(1);
});
process.exit(await main(process.argv.slice(2)));
