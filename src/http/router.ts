import type { Result, Router } from "hono/router";
import { TrieRouter } from "hono/router/trie-router";

/**
 * Looks a fixed path up before any pattern is tried. Hono's fast router takes no `/orders/failures` beside
 * `/orders/:id`, and would leave every request to its slow one. A fixed path has one handler, so this is for an app
 * without middleware. A fixed path is no pattern's for other methods either: `retry` is no order's id.
 */
export function fixedFirstRouter<T>(): Router<T> {
  const fixed = new Map<string, Map<string, Result<T>>>();
  const paths = new Set<string>();
  const patterns = new TrieRouter<T>();
  return {
    name: "FixedFirstRouter",
    add(method, path, handler) {
      if (/[:*{?]/.test(path)) {
        patterns.add(method, path, handler);
        return;
      }
      paths.add(path);
      const ofMethod = fixed.get(method) ?? new Map<string, Result<T>>();
      fixed.set(method, ofMethod.set(path, [[[handler, {}]]]));
    },
    match(method, path) {
      return fixed.get(method)?.get(path) ?? (paths.has(path) ? [[]] : patterns.match(method, path));
    },
  };
}
