import { readFileSync } from "node:fs";

/** What Cauce's own package.json says. It lies two floors up from here, in the sources and in `dist` alike. */
export function description(): {
  readonly version: string;
  readonly private?: boolean;
  readonly peerDependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
} {
  return JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
}

/** Cauce's own version. */
export function version(): string {
  return description().version;
}
