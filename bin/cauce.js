#!/usr/bin/env -S node --max-semi-space-size=16
// Plain JavaScript on purpose, like checkNode.js: on a Node that is too old, that one speaks and ends the process
// before anything newer is read.
import { setFlagsFromString } from "node:v8";
import "./checkNode.js";

// An order lives for milliseconds; without this the heap grows to many times what is alive before it is collected.
setFlagsFromString("--heap-growing-percent=100");

const { main } = await import("#cli");
process.exit(await main(process.argv.slice(2)));
