import { CauceError } from "../../core/errors.ts";
import type { CommandCall } from "./call.ts";
import { confirmed } from "./confirm.ts";
import { counted, jsonLine } from "./format.ts";
import { clientOf } from "./remote.ts";

/** `cauce retry`: one order, or every failed one that matches, once it was said how many those are. */
export async function retry({ values: [id], input, flags, output }: CommandCall): Promise<void> {
  const { fingerprint, status } = input as { readonly fingerprint?: string; readonly status?: string };
  const filtered = fingerprint !== undefined || status !== undefined;
  if ([id !== undefined, filtered, flags.all === true].filter(Boolean).length !== 1) {
    throw new CauceError(
      "setting_invalid",
      "say what to retry, in one way alone: an order's id, --all, or --fingerprint and --status (one of them or both)",
    );
  }
  const client = await clientOf(flags);
  if (id !== undefined) {
    const order = await client.retry(id);
    return output.out(flags.json ? jsonLine(order) : `retried ${order.id}, which stands in ${order.status}\n`);
  }
  const groups = (await client.failures()).filter(
    (group) =>
      (status === undefined || group.status === status) &&
      (fingerprint === undefined || group.fingerprint === fingerprint),
  );
  const count = groups.reduce((sum, group) => sum + group.count, 0);
  const where = [...new Set(groups.map((group) => group.status))].join(", ");
  const goesOn =
    count > 0 && (await confirmed(output, `Retry ${counted(count, "failed order")} in ${where}`, flags.yes === true));
  let retried = 0;
  let cursor: string | undefined;
  while (goesOn) {
    const page = await client.retryMany({ status, fingerprint, cursor });
    retried += page.retried;
    if (page.nextCursor === null) break;
    cursor = page.nextCursor;
  }
  if (flags.json) return output.out(jsonLine({ retried }));
  if (count === 0) return output.err("No failed order matches.\n");
  if (goesOn) output.out(`retried ${counted(retried, "order")}\n`);
}
