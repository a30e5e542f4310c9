import { appendFileSync, chmodSync, existsSync, readFileSync } from "node:fs";
import { CauceError } from "../core/errors.ts";
import { type Auth, createKey, formatKeyLine, parseKeys, type Role, roles } from "../http/keys.ts";

/**
 * Makes a key and says how to use it; with `file`, appends its line there. Throws `setting_invalid` for an unknown
 * role, `keys_invalid` for a name that is taken or cannot be used, or a file that cannot be read or written.
 */
export function createKeys(options: { role: string; name?: string; file?: string }): string {
  const { file } = options;
  const role = roles.find((known): known is Role => known === options.role);
  if (role === undefined) {
    throw new CauceError("setting_invalid", `--role must be one of ${roles.join(", ")}, not "${options.role}"`);
  }
  const name = options.name ?? role;
  const { key, sha256 } = createKey();
  const line = formatKeyLine({ name, role, sha256 });
  if (file !== undefined) append(file, line);
  return [
    `key    ${key}`,
    `line   ${line}`,
    "",
    "The key is shown this once: give it to the client, who sends it with each request:",
    `  curl -H 'authorization: Bearer ${key}' …`,
    file === undefined
      ? "The line is for the server. Put it into a file or a variable:"
      : `The line was appended to ${file}:`,
    file === undefined ? `  CAUCE_KEYS='${line}' cauce start APP` : `  cauce start APP --keys ${file}`,
    "",
  ].join("\n");
}

/** The keys that a server is to accept, from a file or from the lines themselves. Throws `keys_invalid`. */
export function readKeys(options: { keysFile: string | undefined; keys: string | undefined }): Auth | undefined {
  if (options.keysFile !== undefined) return parseKeys(readFile(options.keysFile), options.keysFile);
  return options.keys === undefined ? undefined : parseKeys(options.keys.replaceAll(",", "\n"), "CAUCE_KEYS");
}

function append(file: string, line: string): void {
  const before = existsSync(file) ? readFile(file) : "";
  const addition = `${before === "" || before.endsWith("\n") ? "" : "\n"}${line}\n`;
  // A server would not start with a file that holds a name twice, so it is not written.
  parseKeys(before + addition, file);
  try {
    appendFileSync(file, addition, { mode: 0o600 });
    // The mode above holds only for a file that was made just now.
    chmodSync(file, 0o600);
  } catch (cause) {
    throw unusable(file, "written", cause);
  }
}

function readFile(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw unusable(file, "read", cause);
  }
}

function unusable(file: string, verb: string, cause: unknown): CauceError {
  const code = (cause as NodeJS.ErrnoException).code ?? String(cause);
  const fix =
    code === "ENOENT"
      ? "there is no such file or directory; cauce keys create --file makes one"
      : `it cannot be ${verb} (${code}); check the path and its rights`;
  return new CauceError("keys_invalid", `${file}: ${fix}`, { cause });
}
