import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** Runs test files as `npm test` runs all of them. */
export function startTests(root: string, files: readonly string[]): ChildProcess {
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    scripts: Readonly<Record<string, string>>;
  };
  const [node, ...words] = scripts.test?.split(" ") ?? [];
  if (node !== "node" || words.pop() !== '"test/**/*.test.ts"') throw new Error("npm test is no longer what it was");
  return spawn(process.execPath, [...words, ...files], { cwd: root, stdio: "inherit" });
}

/** Resolves to the exit code of a process; null where a signal ended it. */
export async function ended(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  return child.exitCode;
}
