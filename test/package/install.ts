import { run } from "./support.ts";

/** Installs the directory's dependencies and `packages`, from npm's cache where the cache has them. */
export function npmInstall(directory: string, ...packages: readonly string[]): Promise<string> {
  const quiet = ["--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"];
  return run(directory, "npm", "install", ...quiet, ...packages);
}
