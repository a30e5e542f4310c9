#!/usr/bin/env -S node --max-semi-space-size=16
// Plain JavaScript on purpose, like checkNode.js: on a Node that is too old, that one speaks and ends the process
// before anything newer is read. A name that such a Node does not export would keep this file from being run at all,
// so those are taken from the whole module.
import module from "node:module";
import { setFlagsFromString } from "node:v8";
import "./checkNode.js";

// For what comes from now on: the heap grows no further than to twice what is alive, and the writer's thread gets the
// young generation that it asks for, not the main thread's of 16 MB.
setFlagsFromString("--heap-growing-percent=100");
setFlagsFromString("--max-semi-space-size=0");

// A command starts in about half the time when what it loads was compiled by an earlier one.
module.enableCompileCache();

const { main } = await import("#cli");
process.exit(await main(process.argv.slice(2)));
