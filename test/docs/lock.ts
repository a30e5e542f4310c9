import { join } from "node:path/posix";
import { readText } from "./markdown.ts";

export interface LockedPackage {
  readonly name: string;
  readonly licence: string;
  /** The number of other packages that the package needs, with optional ones (for other platforms). */
  readonly brings: number;
}

interface Locked {
  readonly license?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** Gives the packages that a folder's package.json asks for, as its lock file has them. */
export function lockedPackages(folder: string): LockedPackage[] {
  const wanted = JSON.parse(readText(join(folder, "package.json"))) as Record<string, Record<string, string>>;
  const lock = JSON.parse(readText(join(folder, "package-lock.json"))) as { packages: Record<string, Locked> };
  const fields = ["dependencies", "devDependencies", "peerDependencies"];
  const names = new Set(fields.flatMap((field) => Object.keys(wanted[field] ?? {})));
  return [...names].map((name) => ({
    name,
    licence: lock.packages[`node_modules/${name}`]?.license ?? "unknown",
    brings: closure(lock.packages, name).size - 1,
  }));
}

function closure(packages: Readonly<Record<string, Locked>>, name: string): Set<string> {
  const found = new Set<string>();
  const visit = (wanted: string, from: string): void => {
    // Look as Node does: in the package's own node_modules, then in those of the packages around it.
    for (let folder = from; ; folder = folder.replace(/\/?node_modules\/(?:@[^/]+\/)?[^/]+$/, "")) {
      const path = join(folder, "node_modules", wanted);
      const locked = packages[path];
      if (locked !== undefined) {
        if (found.has(path)) return;
        found.add(path);
        const needs = { ...locked.dependencies, ...locked.optionalDependencies };
        for (const need of Object.keys(needs)) visit(need, path);
        return;
      }
      if (folder === "") return;
    }
  };
  visit(name, "");
  return found;
}
