import { CauceError } from "../../core/errors.ts";
import type { Output } from "../report.ts";

/**
 * Whether to go on with what cannot be undone. Without a terminal nobody can be asked: then `--yes` must have said so
 * beforehand, or it throws `setting_invalid`.
 */
export async function confirmed(output: Output, what: string, yes: boolean): Promise<boolean> {
  if (yes) return true;
  if (output.ask === undefined) {
    throw new CauceError("setting_invalid", `${what}: nobody can be asked without a terminal; give --yes to do it`);
  }
  const answer = await output.ask(`${what}? [y/N] `);
  if (/^y(es)?$/i.test(answer.trim())) return true;
  output.err("Nothing was changed.\n");
  return false;
}
