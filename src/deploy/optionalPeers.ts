import { CauceError } from "../core/errors.ts";

/** Imports a module that needs optional packages. Throws `package_missing`, with the packages to install, if one is missing. */
export async function withPeers<T>(what: string, packages: readonly string[], load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    const { code, message = "" } = cause as NodeJS.ErrnoException;
    const isMissing = code === "ERR_MODULE_NOT_FOUND" || code === "MODULE_NOT_FOUND";
    const missing = isMissing ? packages.find((name) => message.includes(`'${name}`)) : undefined;
    if (missing === undefined) throw cause;
    throw new CauceError(
      "package_missing",
      `${what} needs ${missing}, which is not installed; run npm install ${packages.join(" ")}`,
      { cause },
    );
  }
}
