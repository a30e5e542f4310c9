/** API keys: `cauce keys create` makes one, and a server reads those that it accepts. */
import { appendFileSync, chmodSync, existsSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { CauceError } from "../core/errors.ts";
import { roles } from "../engine/engine.ts";
import {
  type Auth,
  createKey,
  formatKeyLine,
  keyNameMeaning,
  keyNamePattern,
  parseKeyLines,
  parseKeys,
} from "../http/auth.ts";
import { systemCode, wrongUsage } from "./output.ts";

/**
 * Makes a key and says how to use it. With `file`, appends the key's line there.
 * @throws `setting_invalid` for a role or a name that cannot be one; `keys_invalid` for a name that is taken, or a file
 * that cannot be read or written
 */
export function createKeys(options: { role: string; name?: string; file?: string }): string {
  const { file } = options;
  const role = roles.find((known) => known === options.role);
  if (role === undefined) throw wrongUsage(`--role must be one of ${roles.join(", ")}, not "${options.role}"`);
  const name = options.name ?? role;
  if (!keyNamePattern.test(name)) throw wrongUsage(`--name must be ${keyNameMeaning}, not "${name}"`);
  const { key, sha256 } = createKey();
  const line = formatKeyLine({ name, role, sha256 });
  if (file !== undefined) append(file, name, line);
  return [
    `key    ${key}`,
    `line   ${line}`,
    "",
    "The key is shown only this once. Give it to the client, which sends it with each request:",
    `  curl -H 'authorization: Bearer ${key}' …`,
    file === undefined
      ? "The line is for the server. Put it into a file or a variable:"
      : `The line was appended to ${file}:`,
    file === undefined ? `  CAUCE_KEYS='${line}' cauce start APP` : `  cauce start APP --keys ${file}`,
    "",
  ].join("\n");
}

/**
 * Reads the keys that a server is to accept, from a file or from the lines themselves.
 * @throws `keys_invalid`
 */
export function readKeys(options: { keysFile: string | undefined; keys: string | undefined }): Auth | undefined {
  const { keysFile, keys: given } = options;
  if (keysFile === undefined) return given === undefined ? given : parseKeys(given.replaceAll(",", "\n"), "CAUCE_KEYS");
  const keys = parseKeyLines(readFile(keysFile), keysFile);
  if (keys.length > 0) return { keys };
  const fix = `add one with: cauce keys create --role operate --file ${keysFile}`;
  throw new CauceError("keys_invalid", `${keysFile}: there is no key in it; ${fix}`);
}

function append(file: string, name: string, line: string): void {
  const before = existsSync(file) ? readFile(file) : "";
  // A server does not start with a file that is wrong or contains a name twice, so nothing is added to such a file.
  if (parseKeyLines(before, file).some((key) => key.name === name)) {
    const fix = "choose another with --name, or take its line out";
    throw new CauceError("keys_invalid", `${file}: there is a key named "${name}" in it already; ${fix}`);
  }
  const addition = `${before === "" || before.endsWith("\n") ? "" : "\n"}${line}\n`;
  try {
    appendFileSync(file, addition, { mode: 0o600 });
    // The mode above is only for a file that was made just now.
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

function unusable(file: string, verb: "read" | "written", cause: unknown): CauceError {
  const code = systemCode(cause);
  const missing =
    verb === "read"
      ? `there is no such file; cauce keys create --role operate --file ${file} makes one`
      : `there is no directory ${dirname(file)}; make it, or give another path`;
  const what = code === "ENOENT" ? missing : `it cannot be ${verb} (${code}); check the path and its rights`;
  return new CauceError("keys_invalid", `${file}: ${what}`, { cause });
}
