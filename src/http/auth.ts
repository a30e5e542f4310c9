import { hash, randomBytes, timingSafeEqual } from "node:crypto";
import { CauceError } from "../core/errors.ts";
import { type Role, roles, type Who } from "../engine/engine.ts";
import { problem } from "./problem.ts";

/** What a route asks of a key: a role, or only that the key is valid. */
export type RequiredRole = Role | "any";

/** Finds who sent a request, or makes the response that refuses it. A route without `access` needs no key. */
export type Guard = (request: Request, access: RequiredRole | undefined) => Who | Response;

/** The sender of a request that needs no key. */
export const open: Who = { kind: "open" };
const challenge = { headers: { "WWW-Authenticate": "Bearer" } };

/** Makes the check of `Authorization: Bearer <key>`. Throws `keys_invalid`. */
export function createGuard(auth: Auth): Guard {
  const keys = auth.keys.map((key) => {
    checkKey(key, "auth.keys");
    const who: Who = { kind: "key", name: key.name, role: key.role };
    return { who, role: key.role, digest: Buffer.from(key.sha256, "hex") };
  });

  return (request, access) => {
    if (access === undefined) return open;
    const key = bearerOf(request.headers.get("authorization"));
    if (key === undefined) {
      return problem("unauthorized", "send an API key as Authorization: Bearer <key>", challenge);
    }
    // Take only keys that Cauce made, since no one can guess them. A key file may hold the hash of "1" or of a word.
    if (!key.startsWith(keyPrefix)) return unknownKey();
    const digest = hash("sha256", key, "buffer");
    let known: { readonly who: Who; readonly role: Role } | undefined;
    // No early exit: the time that this takes must not tell which key matched, or how many keys come before it.
    for (const stored of keys) {
      if (timingSafeEqual(stored.digest, digest)) known = stored;
    }
    if (known === undefined) return unknownKey();
    const { who, role } = known;
    if (access === "any" || role === access || role === "operate") return who;
    const needed = access === "operate" ? '"operate"' : `"${access}" or "operate"`;
    return problem("forbidden", `the API key's role is "${role}"; this route needs ${needed}`);
  };
}

function unknownKey(): Response {
  return problem("unauthorized", "the API key is not one that this server knows", challenge);
}

function bearerOf(authorization: string | null): string | undefined {
  if (authorization === null || authorization.slice(0, 7).toLowerCase() !== "bearer ") return undefined;
  return authorization.slice(7).trim() || undefined;
}

/** An API key as a server keeps it: its hash, never the key itself. */
interface StoredKey {
  /** The name of its owner: 1 to 64 letters, digits and `. _ @ -`. */
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

/** Every key begins with this, so that a search for leaked secrets finds it. */
const keyPrefix = "cauce_";

/** Makes a random 256-bit key. Show `key` once, and keep only `sha256`. */
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
 * Reads a key file: one key a line, as `name role sha256hex`. A `#` begins a comment; blank lines are skipped. Messages
 * name `where`. Throws `keys_invalid` with the line and the fix, and never repeats text that might be a secret.
 */
export function parseKeys(text: string, where: string): Auth {
  const keys = parseKeyLines(text, where);
  if (keys.length === 0) throw invalid(where, "there is no key; add one with: cauce keys create --role operate");
  return { keys };
}

/** Does the same as `parseKeys`, for a file that may hold no key yet. */
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
function checkKey(key: { name: string; role: string; sha256: string }, at: string): asserts key is StoredKey {
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
