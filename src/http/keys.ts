import { hash, randomBytes } from "node:crypto";
import { CauceError } from "../core/errors.ts";
import { type Role, roles } from "../engine/call.ts";

/** An API key as a server keeps it: never the key itself. */
export interface StoredKey {
  /** Whose it is; 1 to 64 letters, digits and `. _ @ -`. */
  readonly name: string;
  readonly role: Role;
  /** The SHA-256 of the key, in hex. Only keys that `cauce keys create` made are taken. */
  readonly sha256: string;
}

/** The API keys that a server accepts. */
export interface Auth {
  readonly keys: readonly StoredKey[];
}

export const keyNamePattern = /^[\w.@-]{1,64}$/;
export const keyNameMeaning = "1 to 64 letters, digits and . _ @ -";

/** What every key begins with: it tells a key from other text, in a log as in a search for leaked secrets. */
export const keyPrefix = "cauce_";

/** Makes a random 256-bit key. Show `key` once; keep only `sha256`. */
export function createKey(): { key: string; sha256: string } {
  const key = `${keyPrefix}${randomBytes(32).toString("base64url")}`;
  return { key, sha256: hash("sha256", key) };
}

/** The line of a key file. Throws `keys_invalid` for a name, role or hash that `parseKeys` would refuse. */
export function formatKeyLine(key: StoredKey): string {
  checkKey(key, "the key");
  return `${key.name} ${key.role} ${key.sha256.toLowerCase()}`;
}

/**
 * Reads a key file: one key a line, `name role sha256hex`; `#` starts a comment, blank lines are skipped. `where` is
 * named in messages. Throws `keys_invalid`, with the line and the fix, and never repeats what might be a secret.
 */
export function parseKeys(text: string, where: string): Auth {
  const keys = parseKeyLines(text, where);
  if (keys.length === 0) throw invalid(where, "there is no key; add one with: cauce keys create --role operate");
  return { keys };
}

/** As `parseKeys`, for a file that may hold no key yet. */
export function parseKeyLines(text: string, where: string): StoredKey[] {
  const keys: StoredKey[] = [];
  const lines = text.split(/\r\n|\n|\r/);
  for (const [index, line] of lines.entries()) {
    const words = line.replace(/#.*/, "").trim().split(/\s+/);
    if (words[0] === "") continue;
    const at = `${where}, line ${index + 1}`;
    const [name = "", role = "", sha256 = ""] = words;
    if (words.length !== 3) {
      throw invalid(at, `${words.length} words; write three: name, role and the key's SHA-256 in hex`);
    }
    const key = { name, role, sha256: sha256.toLowerCase() };
    checkKey(key, at);
    if (keys.some((other) => other.name === name))
      throw invalid(at, `the name "${name}" is used twice; give each key its own`);
    if (keys.some((other) => other.sha256 === key.sha256)) {
      throw invalid(at, "the same key stands in an earlier line; remove one of the two");
    }
    keys.push(key);
  }
  return keys;
}

/** Throws `keys_invalid` unless the key is one that a server can use. */
export function checkKey(key: { name: string; role: string; sha256: string }, at: string): asserts key is StoredKey {
  if (!keyNamePattern.test(key.name)) throw invalid(at, `the name must be ${keyNameMeaning}`);
  if (!roles.some((role) => role === key.role)) {
    throw invalid(at, `the role of "${key.name}" must be one of ${roles.join(", ")}`);
  }
  if (!/^[0-9a-f]{64}$/i.test(key.sha256)) {
    throw invalid(
      at,
      `the SHA-256 of "${key.name}" must be 64 hex digits (the hash that cauce keys create prints, not the key)`,
    );
  }
}

function invalid(at: string, what: string): CauceError {
  return new CauceError("keys_invalid", `${at}: ${what}`);
}
