import { readFileSync } from "node:fs";

/** Cauce's own version. The package's description lies two floors up from here, in the sources and in `dist` alike. */
export function version(): string {
  const description: { version: string } = JSON.parse(
    readFileSync(new URL("../../package.json", import.meta.url), "utf8"),
  );
  return description.version;
}
