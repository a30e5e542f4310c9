import { CauceError } from "../core/errors.ts";
import { formatKeyLine, parseKeys } from "../http/auth.ts";

/** Who may call: the lines of a keys file (`cauce keys create`), or everybody, spelled out. */
export type ApiKeys = { readonly keys: string } | "public";

/** A standard parameter and a function's environment hold 4 KB each, and the environment holds more than the keys. */
const keysBytesMost = 3_500;

/**
 * The keys as they are stored: hashes, one key a line, no comments. Throws `keys_invalid` for what is no keys file, and
 * for more keys than a function's environment holds.
 */
export function storedKeys(text: string, where: string): string {
  const lines = parseKeys(text, where).keys.map(formatKeyLine).join("\n");
  const bytes = Buffer.byteLength(lines);
  if (bytes <= keysBytesMost) return lines;
  throw new CauceError(
    "keys_invalid",
    `${where}: its keys take ${bytes} bytes and a function's environment leaves them ${keysBytesMost}, about 45 keys; take out what nobody uses, or give clients of one kind the same key`,
  );
}
