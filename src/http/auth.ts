import { hash, timingSafeEqual } from "node:crypto";
import { type Auth, checkKey, keyPrefix, type Role } from "./keys.ts";
import { problem } from "./problem.ts";

export type { Auth } from "./keys.ts";

/** What a route asks of a key: a role, or only that it is valid. */
export type Access = Role | "any";

/** The answer to a request that may not do what it asks, or undefined. */
export type Guard = (request: Request, access: Access) => Response | undefined;

const challenge = { headers: { "WWW-Authenticate": "Bearer" } };

/** Checks `Authorization: Bearer <key>`. Without `auth` everything is open. Throws `keys_invalid`. */
export function createGuard(auth: Auth | undefined): Guard {
  if (auth === undefined) return () => undefined;
  const keys = auth.keys.map((key) => {
    checkKey(key, "auth.keys");
    return { role: key.role, digest: Buffer.from(key.sha256, "hex") };
  });

  return (request, access) => {
    const key = bearerOf(request.headers.get("authorization"));
    if (key === undefined) {
      return problem("unauthorized", "send an API key as Authorization: Bearer <key>", challenge);
    }
    // A hash in the file may be that of "1" or of a word; a key that Cauce made cannot be guessed.
    if (!key.startsWith(keyPrefix)) return unknownKey();
    const digest = hash("sha256", key, "buffer");
    let role: Role | undefined;
    // No early exit: the time taken says nothing of which key came near, or of how many there are before it.
    for (const stored of keys) {
      if (timingSafeEqual(stored.digest, digest)) role = stored.role;
    }
    if (role === undefined) return unknownKey();
    if (access === "any" || role === access || role === "operate") return undefined;
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
