import { CauceError } from "../../core/errors.ts";

/** The value of a JSON text; one that is no JSON throws with `code`, naming where it came from. */
export function parseJson(text: string, where: string, code: "invalid_json" | "setting_invalid"): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new CauceError(code, `${where} is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}
