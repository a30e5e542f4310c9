import { spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const repository = fileURLToPath(new URL("../../", import.meta.url));
export const crashApp = fileURLToPath(new URL("app.ts", import.meta.url));

export interface ServerOptions {
  /** The app's module. */
  readonly app: string;
  /** The server's data directory. */
  readonly directory: string;
  readonly delivery?: "standard" | "fifo";
  readonly env?: Readonly<Record<string, string>>;
  /** A command and its arguments that become the server in the same process, such as `strace -D`. */
  readonly through?: readonly string[];
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Server {
  readonly pid: number;
  /** The API's address, once the server listens. Rejects if the server ends before. */
  readonly address: Promise<string>;
  /** Resolves when the server has ended and everything that it wrote is here. */
  readonly ended: Promise<Ended>;
  /** Resolves to the first match in what the server wrote to stdout or stderr. Rejects if it ends without one. */
  wrote(pattern: RegExp): Promise<RegExpExecArray>;
  kill(signal: NodeJS.Signals): void;
}

/** Runs the real command line on a free port. */
export function startServer({ app, directory, delivery = "standard", env, through = [] }: ServerOptions): Server {
  const [command = "", ...args] = [
    ...through,
    process.execPath,
    "--conditions=source",
    join(repository, "bin/cauce.js"),
    "start",
    app,
    ...["--port", "0", "--data", directory, "--delivery", delivery],
  ];
  const child = spawn(command, args, {
    env: { ...withoutCauce(process.env), ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const written = { stdout: "", stderr: "" };
  const looking = new Set<() => void>();
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      written[name] += text;
      for (const look of [...looking]) look();
    });
  }
  const ended = new Promise<Ended>((resolve) => {
    child.once("error", (error) => resolve({ code: null, signal: null, ...written, stderr: error.message }));
    child.once("close", (code, signal) => resolve({ code, signal, ...written }));
  });
  const wrote = (pattern: RegExp) =>
    new Promise<RegExpExecArray>((resolve, reject) => {
      const look = () => {
        const match = pattern.exec(written.stdout) ?? pattern.exec(written.stderr);
        if (match === null) return;
        looking.delete(look);
        resolve(match);
      };
      looking.add(look);
      look();
      void ended.then((end) => reject(new Error(`the server ended without ${pattern}: ${describeEnd(end)}`)));
    });
  const address = wrote(/listens on (http:\S+)\n/).then(([, url]) => String(url));
  // A caller that kills the server before it listens does not await its address.
  address.catch(() => {});
  return { pid: child.pid ?? 0, address, ended, wrote, kill: (signal) => void child.kill(signal) };
}

export function describeEnd({ code, signal, stderr }: Ended): string {
  return `${signal ?? `exit code ${code}`}${stderr === "" ? "" : `, ${stderr.trim()}`}`;
}

/** Leaves out the CAUCE_* variables of this process, which are not for the server. */
function withoutCauce(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith("CAUCE_")));
}
