import { mkdir, mkdtemp, rm, statfs } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type Children, createChildren } from "./children.ts";

/** What every part of a run shares. */
export interface Bench {
  readonly children: Children;
  /** Where the data lies, on a disk. */
  readonly root: string;
  /** A new directory below `root`. */
  directory(name: string): Promise<string>;
  progress(text: string): void;
  /** Ends every process and removes every directory. */
  close(): Promise<void>;
}

/** Types of file systems in memory, as Linux's `statfs` gives them. On these every sync would be free. */
const memoryFileSystems = new Set([0x01021994, 0x858458f6]);

export const repository = resolve(import.meta.dirname, "../..");

export async function openBench(): Promise<Bench> {
  const children = createChildren();
  const started = performance.now();
  const inMemory = memoryFileSystems.has((await statfs(tmpdir())).type);
  const parent = inMemory ? join(repository, "bench", "cauce-data") : tmpdir();
  await mkdir(parent, { recursive: true });
  const root = await mkdtemp(join(parent, "cauce-bench-"));
  let directories = 0;
  return {
    children,
    root,
    async directory(name) {
      const path = join(root, `${String(++directories).padStart(2, "0")}-${name}`);
      await mkdir(path);
      return path;
    },
    progress(text) {
      const seconds = Math.round((performance.now() - started) / 1_000);
      process.stderr.write(`${String(seconds).padStart(5)} s  ${text}\n`);
    },
    async close() {
      await children.stopAll();
      await rm(root, { recursive: true, force: true });
    },
  };
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const address = server.address();
  await new Promise((closed) => server.close(closed));
  if (address === null || typeof address === "string") throw new Error("no free port was found");
  return address.port;
}
