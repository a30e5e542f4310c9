import { hash, timingSafeEqual } from "node:crypto";
import type { Role, Who } from "../engine/call.ts";
import { type Auth, checkKey, keyPrefix } from "./keys.ts";
import { problem } from "./problem.ts";

export type { Auth } from "./keys.ts";

/** What a route asks of a key: a role, or only that it is valid. */
export type Access = Role | "any";

/** Who sent a request, or the answer to one that may not do what it asks. Without an access it asks for no key. */
export type Guard = (request: Request, access: Access | undefined) => Who | Response;

const open: Who = { kind: "open" };
const challenge = { headers: { "WWW-Authenticate": "Bearer" } };

/** Checks `Authorization: Bearer <key>`. Without `auth` everything is open. Throws `keys_invalid`. */
export function createGuard(auth: Auth | undefined): Guard {
  if (auth === undefined) return () => open;
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
    // A hash in the file may be that of "1" or of a word; a key that Cauce made cannot be guessed.
    if (!key.startsWith(keyPrefix)) return unknownKey();
    const digest = hash("sha256", key, "buffer");
    let known: { readonly who: Who; readonly role: Role } | undefined;
    // No early exit: the time taken says nothing of which key came near, or of how many there are before it.
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
