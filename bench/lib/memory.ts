import { readFileSync } from "node:fs";

const settledAfterMilliseconds = 2_000;
const everyMilliseconds = 100;

/** Watches how much of a process lies in memory, once it has settled. */
export function watchMemory(pid: number) {
  const from = performance.now() + settledAfterMilliseconds;
  let megabytesMax = Number.NaN;
  const timer = setInterval(() => {
    if (performance.now() >= from)
      megabytesMax = Math.max(Number.isNaN(megabytesMax) ? 0 : megabytesMax, residentMegabytes(pid));
  }, everyMilliseconds);
  return {
    /** The most seen until now, in megabytes. */
    megabytesMax: () => megabytesMax,
    end: () => clearInterval(timer),
  };
}

/** Reads `VmRSS`, which only Linux has. NaN elsewhere. */
function residentMegabytes(pid: number): number {
  try {
    const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return Number(kilobytes) / 1_024;
  } catch {
    return Number.NaN;
  }
}
