import { readFile } from "node:fs/promises";
import { CauceError } from "../../core/errors.ts";
import type { Output } from "../report.ts";
import type { CommandCall } from "./call.ts";
import { jsonLine } from "./format.ts";
import { parseJson } from "./json.ts";
import { clientOf, keyOf } from "./remote.ts";

/** `cauce place` */
export async function place({ values: [data], flags, output }: CommandCall): Promise<void> {
  const value = await dataOf(data, flags.file as string | undefined, output);
  const client = await clientOf(flags);
  const result = await client.place(value, keyOf(flags));
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

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    const { code = String(error) } = error as NodeJS.ErrnoException;
    throw new CauceError("setting_invalid", `--file ${file} cannot be read (${code}); check the path and its rights`);
  }
}
