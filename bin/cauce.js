#!/usr/bin/env -S node --max-semi-space-size=16
// Plain JavaScript on purpose, like checkNode.js: on a Node that is too old, that one speaks and ends the process
// before anything newer is read.
import "./checkNode.js";

const { main } = await import("#cli");
process.exit(await main(process.argv.slice(2)));
