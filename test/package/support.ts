import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../../", import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts a command in a directory, in a process group of its own. */
export function begin(directory: string, command: string, ...args: readonly string[]) {
  const child = spawn(command, args, {
    cwd: directory,
    env: environment(),
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  // The two outputs are kept apart, since their order depends on the machine.
  const written = { stdout: "", stderr: "" };
  let heard = () => {};
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (chunk: string) => {
      written[name] += chunk;
      heard();
    });
  }
  // The child closes once every process that holds its output has ended, those that it started, too.
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve({ code, signal, ...written }));
  });
  return {
    ended,
    /** Sends a signal to the command alone. */
    kill: (signal: NodeJS.Signals) => void child.kill(signal),
    /** Sends a signal to the command and every process that it started, as a terminal does, where any still runs. */
    killAll(signal: NodeJS.Signals) {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, signal);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
      }
    },
    /** Resolves to the first match in its standard output. Rejects if it ends without one. */
    wrote(pattern: RegExp): Promise<RegExpExecArray> {
      return new Promise((resolve, reject) => {
        heard = () => {
          const match = pattern.exec(written.stdout);
          if (match !== null) resolve(match);
        };
        heard();
        ended.then(
          ({ code, stdout, stderr }) =>
            reject(new Error(`ended with ${code} and without ${pattern}: ${stdout}${stderr}`)),
          reject,
        );
      });
    },
  };
}

/** Runs a command to its end, and gives its standard output. Rejects unless it exits with 0. */
export async function run(directory: string, command: string, ...args: readonly string[]): Promise<string> {
  const { code, signal, stdout, stderr } = await begin(directory, command, ...args).ended;
  assert.equal(
    code,
    0,
    `${command} ${args.join(" ")} in ${directory} ended with ${signal ?? code}: ${stdout}${stderr}`,
  );
  return stdout;
}

/** Counts the bytes of a directory's files. */
export function bytesIn(directory: string): number {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .reduce((bytes, { parentPath, name }) => bytes + statSync(join(parentPath, name)).size, 0);
}

/** Gives a user's environment: this Node first, and no variables of the npm and the test runner around this test. */
function environment(): NodeJS.ProcessEnv {
  const around =
    /^(CAUCE_|NODE_TEST_|NODE_OPTIONS$|npm_(lifecycle|package)_|npm_config_local_prefix$|npm_command$|INIT_CWD$)/;
  const kept = Object.entries(process.env).filter(([name]) => !around.test(name));
  const path = [dirname(process.execPath), process.env.PATH].join(delimiter);
  return { ...Object.fromEntries(kept), PATH: path };
}
