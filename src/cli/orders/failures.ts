import type { CommandCall } from "./call.ts";
import { cut, jsonLine, plain, table } from "./format.ts";
import { clientOf } from "./remote.ts";

/** `cauce failures` */
export async function failures({ flags, output }: CommandCall): Promise<void> {
  const groups = await (await clientOf(flags)).failures();
  if (flags.json) return output.out(groups.map(jsonLine).join(""));
  if (groups.length === 0) return output.err("No order has failed.\n");
  const columns = [
    { name: "count", align: "right" },
    { name: "status" },
    { name: "first" },
    { name: "last" },
    { name: "fingerprint" },
    { name: "last message" },
  ] as const;
  // The fingerprint is what retry takes, so it is never cut.
  const rows = groups.map(({ count, status, firstAt, lastAt, fingerprint, message }) => {
    return [String(count), plain(status), firstAt, lastAt, plain(fingerprint), cut(plain(message), 60)];
  });
  output.out(await table(output, columns, rows));
}
