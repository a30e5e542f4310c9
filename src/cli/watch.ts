import { spawn } from "node:child_process";
import { once } from "node:events";
import { watch as watchDirectory } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { onProcess, signalled } from "../node/server.ts";
import type { FromWatched, ToWatched } from "../node/watched.ts";
import type { Output } from "./output.ts";

// One save is several events, and one "save all" several files.
const settleMilliseconds = 100;
// Killing a server is safe, since orders survive it. A longer wait for a handler would only keep its author waiting.
const drainMilliseconds = 10_000;
const sourceFile = /\.([cm]?[jt]s|json)$/;

/**
 * Runs `cauce start` in a process of its own, with the same arguments, and restarts it when a file that it loaded
 * changes. After a server that did not start, any source file beside those may be the change. Resolves once a signal
 * has stopped both processes.
 */
export async function watch(app: string, args: readonly string[], output: Output): Promise<void> {
  output.serve?.();
  const files = watchedFiles(resolve(app));
  const stopped = signalled().then(() => "stopped" as const);
  try {
    for (;;) {
      const changed = files.next();
      const server = startServer(args, files.add);
      let event = await Promise.race([stopped, server.exited, changed]);
      if (typeof event === "object" && "exit" in event) {
        output.out(`The server ended (${event.exit}); waiting for a change.\n`);
        // What the app lacked may be a file that it never loaded.
        files.acceptAny();
        event = await Promise.race([stopped, changed]);
      } else {
        await server.stop();
      }
      if (event === "stopped") return;
      output.out(`\n${relative(process.cwd(), event.file)} changed: restarting.\n`);
    }
  } finally {
    files.close();
  }
}

function startServer(args: readonly string[], onLoaded: (file: string) => void) {
  const bin = fileURLToPath(new URL("../../bin/cauce.js", import.meta.url));
  const [command = "start", ...rest] = args;
  const child = spawn(process.execPath, [...process.execArgv, bin, command, "--watched", ...rest], {
    stdio: ["inherit", "inherit", "inherit", "ipc"],
  });
  child.on("message", (message) => onLoaded((message as FromWatched).loaded));
  // However this process ends, the server does not outlive it, not even a server that hangs and would not notice.
  const kill = () => void child.kill("SIGKILL");
  const release = onProcess("exit", kill);
  const exited = once(child, "exit").then(([code, signal]) => {
    release();
    return { exit: String(signal ?? `exit code ${code}`) };
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

/** Watches the directories of the files: an editor may put a new file in the place of an old one, and a watch of the old file would miss it. */
function watchedFiles(app: string) {
  const files = new Set([app]);
  const open = new Set<string>();
  let watching = new AbortController();
  let any = false;
  let settle: NodeJS.Timeout | undefined;
  let change = Promise.withResolvers<{ readonly file: string }>();

  const watchBeside = (directory: string) => {
    if (open.has(directory)) return;
    try {
      const watcher = watchDirectory(directory, { signal: watching.signal }, (_, name) => {
        const file = join(directory, String(name));
        if (!files.has(file) && !(any && sourceFile.test(file))) return;
        clearTimeout(settle);
        settle = setTimeout(() => change.resolve({ file }), settleMilliseconds);
      });
      watcher.on("error", () => watcher.close());
      open.add(directory);
    } catch {
      // The directory is gone. The next start tries it again.
    }
  };
  const close = () => {
    watching.abort();
    open.clear();
    clearTimeout(settle);
  };

  return {
    add(file: string) {
      files.add(file);
      watchBeside(dirname(file));
    },
    acceptAny() {
      any = true;
    },
    /** The next change from now on, of the files known now or later. */
    next(): Promise<{ readonly file: string }> {
      // A directory that was deleted and made once more needs a new watch.
      close();
      watching = new AbortController();
      any = false;
      for (const file of files) watchBeside(dirname(file));
      change = Promise.withResolvers();
      return change.promise;
    },
    close,
  };
}
