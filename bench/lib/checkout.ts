import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { type Bench, repository } from "./bench.ts";

/** A checkout of Cauce whose server is measured. */
export interface Checkout {
  /** `Cauce`, or `Cauce b025ead`. */
  readonly name: string;
  readonly directory: string;
}

/** The checkout that this benchmark belongs to. */
export const here: Checkout = { name: "Cauce", directory: repository };

const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "cauce-bench");

/** npm writes this file last, so an install that was interrupted has none. */
export const installed = (directory: string): boolean =>
  existsSync(join(directory, "node_modules", ".package-lock.json"));

/**
 * Opens the checkout to measure beside this one: a directory, or a commit of this repository. For a commit it makes a
 * git worktree below the user's cache directory with an `npm ci` of its own, which later runs use again.
 */
export async function openCheckout(bench: Bench, against: string, from = repository, into = cache): Promise<Checkout> {
  const directory = resolve(against);
  if (existsSync(join(directory, "package.json"))) {
    if (!installed(directory)) throw new Error(`${directory} is not installed; run npm ci there`);
    return { name: `Cauce of ${against}`, directory };
  }
  const commit = await findCommit(bench, against, from);
  const made = join(into, commit);
  if ((await stateOf(bench, made)) !== commit) {
    bench.progress(`making a worktree of ${against} in ${made} …`);
    await rm(made, { recursive: true, force: true });
    // Git still lists a worktree whose directory is gone.
    await git(bench, from, "worktree", "prune");
    await git(bench, from, "worktree", "add", "--detach", made, commit);
  }
  if (!installed(made)) {
    bench.progress(`installing ${against} (npm ci) …`);
    await bench.children.run("npm", ["--prefix", made, "ci", "--no-audit", "--no-fund"]);
  }
  return { name: `Cauce ${against}`, directory: made };
}

const git = (bench: Bench, directory: string, ...args: readonly string[]): Promise<string> =>
  bench.children.run("git", ["-C", directory, ...args]);

/** Gives the whole name of a commit. If this repository has no such commit, the error says why and what to do. */
async function findCommit(bench: Bench, against: string, from: string): Promise<string> {
  const isShallow = await git(bench, from, "rev-parse", "--is-shallow-repository").catch((error: Error) => {
    throw new Error(
      `--against ${against}: ${from} has no git history (${error.message}); clone the repository, or give the directory of an installed checkout`,
    );
  });
  try {
    return (
      await git(bench, from, "rev-parse", "--verify", "--quiet", "--end-of-options", `${against}^{commit}`)
    ).trim();
  } catch {
    throw new Error(
      isShallow.trim() === "true"
        ? `--against ${against}: this clone is shallow and its history does not reach that commit; run git fetch --unshallow, or give the directory of an installed checkout`
        : `--against ${against} names neither a directory with a package.json nor a commit of ${from}; give one of the two`,
    );
  }
}

/** Gives the commit of a worktree without changes. Gives undefined if `directory` holds none, and refuses changes. */
async function stateOf(bench: Bench, directory: string): Promise<string | undefined> {
  if (!existsSync(join(directory, ".git"))) return undefined;
  // A worktree that lost its repository, or was made only in part, has no commit.
  const commit = await git(bench, directory, "rev-parse", "HEAD").catch(() => undefined);
  if (commit === undefined) return undefined;
  const changed = await git(bench, directory, "status", "--porcelain");
  if (changed !== "")
    throw new Error(`${directory} has changes, so it is not that commit any more; remove the directory`);
  return commit.trim();
}
