import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it, type TestContext } from "node:test";
import { openBench } from "../../bench/lib/bench.ts";
import { openCheckout } from "../../bench/lib/checkout.ts";

let root = "";
let repository = "";
let first = "";

const git = (directory: string, ...args: readonly string[]) =>
  execFileSync("git", ["-C", directory, "-c", "user.name=test", "-c", "user.email=test@example.com", ...args], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  }).trim();

/** A repository of two commits. Its package needs one other, which comes with it, so that npm needs no network. */
before(() => {
  root = mkdtempSync(join(tmpdir(), "cauce-checkouts-"));
  repository = join(root, "repository");
  mkdirSync(join(repository, "needed"), { recursive: true });
  writeFileSync(join(repository, "package.json"), '{"name":"it","dependencies":{"needed":"file:needed"}}');
  writeFileSync(join(repository, "needed", "package.json"), '{"name":"needed","version":"1.0.0"}');
  writeFileSync(
    join(repository, "package-lock.json"),
    JSON.stringify({
      name: "it",
      lockfileVersion: 3,
      packages: {
        "": { name: "it", dependencies: { needed: "file:needed" } },
        needed: { version: "1.0.0" },
        "node_modules/needed": { resolved: "needed", link: true },
      },
    }),
  );
  writeFileSync(join(repository, ".gitignore"), "node_modules\n");
  git(root, "init", "--quiet", repository);
  git(repository, "add", ".");
  git(repository, "commit", "--quiet", "--message", "one");
  first = git(repository, "rev-parse", "HEAD");
  writeFileSync(join(repository, "later.txt"), "");
  git(repository, "add", ".");
  git(repository, "commit", "--quiet", "--message", "two");
});

after(() => rmSync(root, { recursive: true, force: true }));

/** A bench that keeps what it says. */
async function quietBench(t: TestContext) {
  const bench = await openBench();
  t.after(() => bench.close());
  const said: string[] = [];
  return { bench: { ...bench, progress: (text: string) => void said.push(text) }, said };
}

describe("the checkout to measure beside this one", () => {
  it("is made of a commit once, installed, and used again", async (t) => {
    const { bench, said } = await quietBench(t);
    const into = join(root, "cache");
    const made = await openCheckout(bench, first.slice(0, 7), repository, into);
    assert.deepEqual(made, { name: `Cauce ${first.slice(0, 7)}`, directory: join(into, first) });
    assert.equal(git(made.directory, "rev-parse", "HEAD"), first);
    assert.equal(existsSync(join(made.directory, "later.txt")), false);
    assert.equal(existsSync(join(made.directory, "node_modules", "needed", "package.json")), true);
    assert.equal(said.length, 2, said.join("\n"));

    assert.deepEqual(await openCheckout(bench, first, repository, into), { ...made, name: `Cauce ${first}` });
    assert.equal(said.length, 2, "the second run makes and installs nothing");
  });

  it("is made again if its making was interrupted, and refused if its files were changed", async (t) => {
    const { bench } = await quietBench(t);
    const into = join(root, "interrupted");
    mkdirSync(join(into, first), { recursive: true });
    writeFileSync(join(into, first, "half.txt"), "");
    const { directory } = await openCheckout(bench, first, repository, into);
    assert.equal(existsSync(join(directory, "half.txt")), false);
    rmSync(directory, { recursive: true });
    await openCheckout(bench, first, repository, into);
    assert.equal(git(directory, "rev-parse", "HEAD"), first);

    writeFileSync(join(directory, "package.json"), "{}");
    await assert.rejects(openCheckout(bench, first, repository, into), /has changes, .*; remove the directory$/);
  });

  it("says what to do if the history does not have the commit", async (t) => {
    const { bench } = await quietBench(t);
    const into = join(root, "nothing");
    const shallow = join(root, "shallow");
    git(root, "clone", "--quiet", "--depth", "1", `file://${repository}`, shallow);
    await assert.rejects(openCheckout(bench, first, shallow, into), /this clone is shallow .*git fetch --unshallow/);
    await assert.rejects(openCheckout(bench, "nosuch", repository, into), /names neither a directory .* nor a commit/);
    const plain = join(root, "plain");
    mkdirSync(plain);
    await assert.rejects(openCheckout(bench, first, plain, into), /has no git history .*clone the repository/);
    assert.equal(existsSync(into), false);
  });

  it("may be a directory, which must be installed", async (t) => {
    const { bench } = await quietBench(t);
    await assert.rejects(openCheckout(bench, repository), /is not installed; run npm ci there$/);
    mkdirSync(join(repository, "node_modules"));
    writeFileSync(join(repository, "node_modules", ".package-lock.json"), "{}");
    assert.deepEqual(await openCheckout(bench, repository), { name: `Cauce of ${repository}`, directory: repository });
  });
});
