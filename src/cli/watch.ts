import { type ChildProcess, spawn } from "node:child_process";
import { type FSWatcher, watch as watchDirectory } from "node:fs";
import { dirname, extname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { atExit, signalled } from "../node/server.ts";
import type { FromWatched, ToWatched } from "../node/watched.ts";
import type { Output } from "./output.ts";

// One save is several events, and one "save all" several files.
const settleMilliseconds = 100;
// Killing a server is safe, since orders survive it; waiting longer for a handler would only keep its author waiting.
const drainMilliseconds = 10_000;
const sourceExtensions = new Set([".ts", ".mts", ".cts", ".js", ".mjs", ".cjs", ".json"]);

/**
 * Runs `cauce start` in a process of its own, with the same arguments, and starts it anew when a file that it loaded
 * changes; a server that does not start waits for the next change. Resolves once a signal has stopped both.
 */
export async function watch(app: string, args: readonly string[], output: Output): Promise<void> {
  const files = watchedFiles(resolve(app));
  const stopped = signalled().then(() => ({ kind: "stopped" }) as const);
  try {
    for (;;) {
      const changed = files.next().then((file) => ({ kind: "changed", file }) as const);
      const server = startServer(args, files.add);
      const exited = server.exited.then((exit) => ({ kind: "exited", ...exit }) as const);
      let event = await Promise.race([stopped, exited, changed]);
      if (event.kind === "exited") {
        output.out(`The server ended (${event.signal ?? `exit code ${event.code}`}); waiting for a change.\n`);
        // What it lacked may be a file that it never loaded.
        files.acceptAny();
        event = await Promise.race([stopped, changed]);
      } else {
        await server.stop();
      }
      if (event.kind === "stopped") return;
      output.out(`\n${relative(process.cwd(), event.file)} changed: starting anew.\n`);
    }
  } finally {
    files.close();
  }
}

function startServer(args: readonly string[], onLoaded: (file: string) => void) {
  const bin = fileURLToPath(new URL("../../bin/cauce.js", import.meta.url));
  const [command = "start", ...rest] = args;
  const child: ChildProcess = spawn(process.execPath, [...process.execArgv, bin, command, "--watched", ...rest], {
    stdio: ["inherit", "inherit", "inherit", "ipc"],
  });
  child.on("message", (message) => onLoaded((message as FromWatched).loaded));
  // However this process ends, the server does not outlive it, even one that hangs and would not notice.
  const kill = () => void child.kill("SIGKILL");
  const release = atExit(kill);
  const exited = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
    child.once("exit", (code, signal) => {
      release();
      resolve({ code, signal });
    });
  });
  return {
    exited,
    async stop() {
      if (child.connected) child.send("drain" satisfies ToWatched);
      const late = setTimeout(kill, drainMilliseconds);
      await exited;
      clearTimeout(late);
    },
  };
}

/** Watches the directories of the files: an editor may put a new file in an old one's place, which its watch would miss. */
function watchedFiles(app: string) {
  const files = new Set([app]);
  const directories = new Map<string, FSWatcher>();
  let any = false;
  let settle: NodeJS.Timeout | undefined;
  let resolveNext: (file: string) => void = () => {};

  const open = (directory: string) => {
    if (directories.has(directory)) return;
    try {
      const watcher = watchDirectory(directory, (_, name) => {
        const file = join(directory, String(name));
        if (!files.has(file) && !(any && sourceExtensions.has(extname(file)))) return;
        clearTimeout(settle);
        settle = setTimeout(() => resolveNext(file), settleMilliseconds);
      });
      watcher.on("error", () => watcher.close());
      directories.set(directory, watcher);
    } catch {
      // The directory is gone; it is tried again at the next start.
    }
  };
  const close = () => {
    for (const watcher of directories.values()) watcher.close();
    directories.clear();
    clearTimeout(settle);
  };

  return {
    add(file: string) {
      files.add(file);
      open(dirname(file));
    },
    acceptAny() {
      any = true;
    },
    /** The next change from now on, of the files known then or later. */
    next(): Promise<string> {
      // A directory that was deleted and made anew needs a new watch.
      close();
      any = false;
      for (const file of files) open(dirname(file));
      return new Promise((resolve) => {
        resolveNext = resolve;
      });
    },
    close,
  };
}
