import { CauceError } from "../../core/errors.ts";
import type { AnyWorkflow } from "../../core/workflow.ts";
import type { OrderOf, PageQuery } from "../../http/client/index.ts";
import type { Output } from "../report.ts";
import type { CommandCall } from "./call.ts";
import { counted, cut, jsonLine, plain, styled, table } from "./format.ts";
import { clientOf } from "./remote.ts";

const pageWhenAll = 200;

/** `cauce list` */
export async function list({ input, flags, output }: CommandCall): Promise<void> {
  if (flags.all && flags.limit !== undefined) {
    throw new CauceError("setting_invalid", "--limit and --all exclude each other; keep one of them");
  }
  const client = await clientOf(flags);
  const query: PageQuery<AnyWorkflow> = flags.all ? { ...input, limit: pageWhenAll } : input;
  let cursor: string | undefined;
  let count = 0;
  do {
    const page = await client.list({ ...query, cursor });
    count += page.items.length;
    cursor = page.nextCursor ?? undefined;
    if (flags.json) for (const order of page.items) output.out(jsonLine(order));
    else if (page.items.length > 0) output.out(await drawn(page.items, output));
    // No page is asked for before the last one is taken: a slow reader would fill the memory.
    await output.taken?.();
  } while (flags.all && cursor !== undefined && !output.closed?.aborted);
  if (flags.json) return;
  if (count === 0) output.err("No order matches.\n");
  else if (cursor !== undefined && !flags.all)
    output.err(`The newest ${counted(count, "order")}; --all shows every one.\n`);
}

function drawn(orders: readonly OrderOf<AnyWorkflow>[], output: Output): Promise<string> {
  const columns = [
    { name: "order" },
    { name: "status" },
    { name: "version", align: "right" },
    { name: "placed" },
    { name: "changed" },
    { name: "group" },
    { name: "failure" },
  ] as const;
  const rows = orders.map((order) => [
    order.id,
    order.status,
    String(order.version),
    order.createdAt,
    order.updatedAt,
    cut(plain(order.group ?? ""), 30),
    order.failure === null ? "" : styled(output, "red", cut(plain(order.failure.message), 60)),
  ]);
  return table(output, columns, rows);
}
