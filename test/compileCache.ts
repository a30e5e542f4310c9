import { constants, enableCompileCache, getCompileCacheDir } from "node:module";
import { dirname } from "node:path";

// Every test file and every command that a test starts is a process that would compile the same sources anew: half of
// the tests' time. What this sets they inherit.
const { status } = enableCompileCache();
if (status === constants.compileCacheStatus.ENABLED || status === constants.compileCacheStatus.ALREADY_ENABLED) {
  process.env.NODE_COMPILE_CACHE = dirname(getCompileCacheDir() as string);
}
