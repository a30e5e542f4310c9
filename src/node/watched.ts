import { registerHooks } from "node:module";
import { sep } from "node:path";
import { fileURLToPath } from "node:url";
import { CauceError } from "../core/errors.ts";

/** What a watched server tells the process that watches it, and what that process tells the server. */
export type FromWatched = { readonly loaded: string };
export type ToWatched = "drain";

/**
 * Reports each module file that loads from now on to the process that watches this server, and resolves when that process
 * asks the server to drain. Ctrl+C in a terminal reaches both processes, so this one ignores signals. It ends at once if
 * the watching process is gone.
 */
export function watchedByParent(): Promise<void> {
  const send = process.send?.bind(process);
  if (send === undefined) {
    throw new CauceError("setting_invalid", "--watched is for the server that --watch starts; use --watch");
  }
  registerHooks({
    load(url, context, next) {
      if (url.startsWith("file:")) {
        const loaded = fileURLToPath(url);
        if (!loaded.includes(`${sep}node_modules${sep}`)) send({ loaded } satisfies FromWatched);
      }
      return next(url, context);
    },
  });
  process.on("SIGINT", () => {});
  process.on("SIGTERM", () => {});
  process.on("disconnect", () => process.exit(1));
  return new Promise((resolve) => {
    process.on("message", (message) => {
      if (message === ("drain" satisfies ToWatched)) resolve();
    });
  });
}
