import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
export const ordersApp = join(root, "examples/orders/orders.app.ts");
export const heldApp = join(root, "test/cli/fixtures/held.app.ts");

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Process {
  readonly ended: Promise<Ended>;
  kill(signal: NodeJS.Signals): void;
  /** Resolves to the first match in stdout or stderr. Rejects if the process ends without a match. */
  wrote(pattern: RegExp): Promise<RegExpExecArray>;
  /** Resolves to the address that a started server prints. */
  address(): Promise<string>;
}

/** Runs the real command line, and kills a process that still runs when the test ends. */
export function cauce(t: TestContext, args: readonly string[], options: { env?: NodeJS.ProcessEnv } = {}): Process {
  // The test runner adds flags of its own that a server must not get.
  const conditions = process.execArgv.filter((flag) => flag.startsWith("--conditions"));
  const child = spawn(process.execPath, [...conditions, join(root, "bin/cauce.js"), ...args], {
    cwd: root,
    env: { ...withoutCauce(process.env), ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  const listeners = new Set<() => void>();
  const heard = () => {
    for (const listener of [...listeners]) listener();
  };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    heard();
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
    heard();
  });
  const ended = new Promise<Ended>((resolve) => {
    child.once("close", (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  atEnd(t, async () => {
    child.kill("SIGKILL");
    await ended;
  });
  const wrote = (pattern: RegExp) =>
    new Promise<RegExpExecArray>((resolve, reject) => {
      const look = () => {
        const match = pattern.exec(stdout) ?? pattern.exec(stderr);
        if (match === null) return;
        listeners.delete(look);
        resolve(match);
      };
      listeners.add(look);
      look();
      ended.then(({ code }) => reject(new Error(`ended with ${code} and without ${pattern}: ${stdout}${stderr}`)));
    });
  return {
    ended,
    kill: (signal) => void child.kill(signal),
    wrote,
    async address() {
      return String((await wrote(/listens on (http:\S+)/))[1]);
    },
  };
}

const cleanups = new WeakMap<TestContext, (() => unknown)[]>();

/** Cleans up when the test ends, the last registered first: a process ends before its directory is removed. */
export function atEnd(t: TestContext, cleanup: () => unknown): void {
  const earlier = cleanups.get(t);
  if (earlier !== undefined) return void earlier.unshift(cleanup);
  const all = [cleanup];
  cleanups.set(t, all);
  t.after(async () => {
    for (const clean of all) await clean();
  });
}

/** Makes an empty directory, and removes it when the test ends. */
export function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "cauce-cli-"));
  atEnd(t, () => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Gives the source of a small app for a file outside this package. The app prints `note` when it loads. */
export function tinyAppSource(note?: string): string {
  const from = (specifier: string) => JSON.stringify(import.meta.resolve(specifier));
  return `
    import { defineWorkflow, final, implement } from ${from("cauce")};
    import { z } from ${from("zod")};
    ${note === undefined ? "" : `console.log(${JSON.stringify(note)});`}
    const workflow = defineWorkflow({
      name: "tiny",
      data: z.object({ name: z.string() }),
      initial: "open",
      statuses: { open: { to: ["done"] }, done: final },
    });
    export default implement(workflow, { handlers: { open: () => "done" } });
  `;
}

export async function post(url: string, data: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(data),
  });
}

function withoutCauce(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith("CAUCE_")));
}

/** Finds a free port beforehand, for a server that keeps its address or is called before it listens. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  await once(server.close(), "close");
  return port;
}
