import { run } from "./support.ts";

/** Installs what the directory's package.json asks for, and `packages`; from npm's cache where it has them. */
export function npmInstall(directory: string, ...packages: readonly string[]): Promise<string> {
  const quiet = ["--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"];
  return run(directory, "npm", "install", ...quiet, ...packages);
}
