import { constants, enableCompileCache, getCompileCacheDir } from "node:module";
import { dirname } from "node:path";

// Each test file, and each command that a test starts, is a process that would compile the same sources again: half of
// the tests' time. The processes inherit the cache that this file sets.
const { status } = enableCompileCache();
if (status === constants.compileCacheStatus.ENABLED || status === constants.compileCacheStatus.ALREADY_ENABLED) {
  process.env.NODE_COMPILE_CACHE = dirname(getCompileCacheDir() as string);
}
