#!/usr/bin/env -S node --max-semi-space-size=16
// This file is plain JavaScript on purpose, like checkNode.js. On a Node that is too old, checkNode.js says so and ends
// the process before Node reads anything newer. If this file imported a name that such a Node does not export, Node
// would not run it at all. So it takes such names from the whole module.
import module from "node:module";
import { basename, dirname } from "node:path";
import { setFlagsFromString } from "node:v8";
import "./checkNode.js";

// From here on the heap grows no further than to twice what is alive, and the writer's thread gets the young generation
// that it asks for, not the main thread's of 16 MB.
setFlagsFromString("--heap-growing-percent=100");
setFlagsFromString("--max-semi-space-size=0");

// A command starts in about half the time if an earlier command compiled what it loads.
module.enableCompileCache();

const { main } = await import("#cli").catch((error) => {
  // Nothing is installed yet in this checkout or project.
  const [, missing] = /^Cannot find package '(.+?)'/.exec(error.message) ?? [];
  if (error.code !== "ERR_MODULE_NOT_FOUND" || missing === undefined) throw error;
  const directory = dirname(import.meta.dirname);
  const how =
    basename(dirname(directory)) === "node_modules" ? "npm install in your project" : `npm ci in ${directory}`;
  console.error(`package_missing: Cauce needs ${missing}, which is not installed; run ${how}`);
  process.exit(1);
});
process.exit(await main(process.argv.slice(2)));
