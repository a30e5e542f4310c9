import { readFile } from "node:fs/promises";
import { CauceError } from "../../core/errors.ts";
import type { Output } from "../report.ts";
import { jsonLine } from "./format.ts";
import { clientOf, type RemoteFlags } from "./remote.ts";

interface Flags extends RemoteFlags {
  readonly file?: string;
  readonly idempotencyKey?: string;
  readonly json?: boolean;
}

/** `cauce place` */
export async function place(data: string | undefined, flags: Flags, output: Output): Promise<void> {
  const value = await dataOf(data, flags.file, output);
  const client = await clientOf(flags);
  const result = await client.place(value, { idempotencyKey: flags.idempotencyKey });
  if (flags.json) return output.out(jsonLine(result));
  const { placed, order } = result;
  output.out(placed ? `placed ${order.id}\n` : `placed before: ${order.id}, which stands in ${order.status}\n`);
}

async function dataOf(data: string | undefined, file: string | undefined, output: Output): Promise<unknown> {
  if ((data === undefined) === (file === undefined)) {
    throw new CauceError(
      "setting_invalid",
      "give the order's data either as an argument (- for standard input) or with --file",
    );
  }
  if (file !== undefined) return parseJson(await readText(file), file, "invalid_json");
  if (data === "-") return parseJson(await (output.input?.() ?? ""), "standard input", "invalid_json");
  return parseJson(data ?? "", "DATA", "setting_invalid");
}

/** The value of a JSON text; one that is no JSON throws with `code`, naming where it came from. */
export function parseJson(text: string, where: string, code: "invalid_json" | "setting_invalid"): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new CauceError(code, `${where} is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    const { code = String(error) } = error as NodeJS.ErrnoException;
    throw new CauceError("setting_invalid", `--file ${file} cannot be read (${code}); check the path and its rights`);
  }
}
