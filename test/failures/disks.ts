import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { appendFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Server } from "../../scripts/crash/server.ts";

/** A disk that a test can make refuse writes, and take them again. */
export interface Disk {
  readonly through?: readonly string[];
  fill(server: Server): void;
  free(server: Server): void;
}

function succeeds(command: string, args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: "ignore" }).status === 0;
}

const namespace = ["unshare", "--user", "--map-root-user", "--mount"] as const;
const mount = (directory: string, kibibytes: number) => [
  ...["sh", "-c", `mount -t tmpfs -o size=${kibibytes}k none "$0" && exec "$@"`],
  directory,
];

/** Gives the reason for which a test without a small disk is skipped, or false. */
export function whyNoSmallDisk(): string | false {
  const has = succeeds(namespace[0], [...namespace.slice(1), ...mount(tmpdir(), 64), "true"]);
  return has ? false : "no namespace with a file system of its own is to be had here";
}

/** Gives the command that runs a server with `directory` on a file system of that size. */
export function onSmallDisk(directory: string, kibibytes: number): readonly string[] {
  return [...namespace, ...mount(directory, kibibytes)];
}

/**
 * Makes a file system of 4 MB that only the server sees. In a namespace of its own a process may mount one without
 * root, and the test reaches it under /proc. That file system is really full (ENOSPC), and no other is.
 */
export function smallDisk(directory: string): Disk {
  const filler = ({ pid }: Server) => `/proc/${pid}/root${join(directory, "filler")}`;
  return {
    through: onSmallDisk(directory, 4_096),
    fill(server) {
      for (const size of [65_536, 4_096, 512, 1]) {
        for (let full = false; !full; ) {
          try {
            appendFileSync(filler(server), Buffer.alloc(size));
          } catch (error) {
            if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
            full = true;
          }
        }
      }
    },
    free: (server) => rmSync(filler(server)),
  };
}

export function whyNoLimitedFiles(): string | false {
  return succeeds("prlimit", ["--version"]) ? false : "there is no prlimit here (it comes with util-linux)";
}

/**
 * Makes files that may not grow, by a soft limit of the running process, which needs no root to set or to lift. Node
 * ignores SIGXFSZ, so writes fail with EFBIG. SQLite takes EFBIG for a fault of the disk, and not for a full disk.
 */
export function limitedFiles(directory: string): Disk {
  const limit = ({ pid }: Server, bytes: string) =>
    assert.ok(succeeds("prlimit", ["--pid", String(pid), `--fsize=${bytes}:`]));
  return {
    fill: (server) => limit(server, String(statSync(join(directory, "filling.db-wal")).size)),
    free: (server) => limit(server, "unlimited"),
  };
}
