import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";

export interface Child {
  readonly pid: number;
  /** Resolves when the process has ended, however it ended. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  hasEnded(): boolean;
  standardOutput(): string;
  /** The last lines that the process wrote, for an error message. */
  lastOutput(): string;
  /** Asks the process to end, and kills it after 15 s. Resolves when it has ended. */
  stop(): Promise<void>;
  /** Kills the process with SIGKILL. Resolves when it has ended. */
  kill(): Promise<void>;
}

interface ChildOptions {
  /** A file for standard error, for a process that writes a lot there. Reading the output would cost the benchmark. */
  readonly log?: string;
  /** Variables beside those of this process. */
  readonly env?: Readonly<Record<string, string>> | undefined;
}

export type Children = ReturnType<typeof createChildren>;

const graceMilliseconds = 15_000;
const keptCharacters = 4_000;

/** Keeps every process that the benchmark starts, so that none outlives it. */
export function createChildren() {
  const running = new Set<ChildProcess>();
  let closed = false;
  // The last resort, if the benchmark itself ends unexpectedly.
  const killAll = () => {
    for (const child of running) child.kill("SIGKILL");
  };
  process.on("exit", killAll);

  const stop = (child: ChildProcess, ended: Promise<unknown>) => {
    if (!running.has(child)) return ended;
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), graceMilliseconds);
    return ended.finally(() => clearTimeout(timer));
  };

  return {
    async start(command: string, args: readonly string[], { log, env }: ChildOptions = {}): Promise<Child> {
      if (closed) throw new Error("the bench is ending and starts nothing more");
      const file = log === undefined ? undefined : openSync(log, "a");
      const child = spawn(command, args, {
        stdio: ["ignore", "pipe", file ?? "pipe"],
        env: { ...process.env, ...env },
      });
      if (file !== undefined) closeSync(file);
      let standardOutput = "";
      let output = "";
      const keep = (text: string) => {
        output = (output + text).slice(-keptCharacters);
      };
      child.stdout?.setEncoding("utf8").on("data", (text: string) => {
        standardOutput = (standardOutput + text).slice(-keptCharacters);
        keep(text);
      });
      child.stderr?.setEncoding("utf8").on("data", keep);
      running.add(child);
      const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
        child.on("close", (code, signal) => {
          running.delete(child);
          resolve({ code, signal });
        });
      });
      await new Promise<void>((resolve, reject) => {
        child.once("spawn", resolve);
        child.once("error", (error) => {
          running.delete(child);
          reject(new Error(`${command} cannot be started: ${error.message}`));
        });
      });
      return {
        pid: child.pid ?? 0,
        ended,
        hasEnded: () => !running.has(child),
        standardOutput: () => standardOutput,
        lastOutput: () => (output + (log === undefined ? "" : readFileSync(log, "utf8").slice(-keptCharacters))).trim(),
        stop: async () => {
          await stop(child, ended);
        },
        kill: async () => {
          child.kill("SIGKILL");
          await ended;
        },
      };
    },

    /** Runs a command to its end and gives what it printed. Rejects when it fails. */
    async run(command: string, args: readonly string[]): Promise<string> {
      const child = await this.start(command, args);
      const { code, signal } = await child.ended;
      if (code !== 0) throw new Error(`${command} ended with ${signal ?? `exit code ${code}`}: ${child.lastOutput()}`);
      return child.standardOutput();
    },

    async stopAll(): Promise<void> {
      closed = true;
      await Promise.all(
        [...running].map((child) => stop(child, new Promise((resolve) => child.once("close", resolve)))),
      );
      process.off("exit", killAll);
    },
  };
}

export function isInstalled(command: string): boolean {
  return spawnSync(command, ["--version"], { stdio: "ignore" }).error === undefined;
}
