import { CauceError } from "../../core/errors.ts";
import type { AnyWorkflow } from "../../core/workflow.ts";
import type { OrderOf } from "../../http/client/index.ts";
import type { Output } from "../report.ts";
import { counted, cut, jsonLine, plain, styled, table } from "./format.ts";
import { clientOf, type RemoteFlags } from "./remote.ts";

interface Flags extends RemoteFlags {
  readonly status?: string;
  readonly failed?: boolean;
  readonly group?: string;
  readonly limit?: string;
  readonly all?: boolean;
  readonly json?: boolean;
}

const pageWhenAll = 200;

/** `cauce list` */
export async function list(flags: Flags, output: Output): Promise<void> {
  const limit = flags.all ? pageWhenAll : limitOf(flags.limit);
  if (flags.all && flags.limit !== undefined) {
    throw new CauceError("setting_invalid", "--limit and --all exclude each other; keep one of them");
  }
  const client = await clientOf(flags);
  const { status, group } = flags;
  const query = { status, group, failed: flags.failed ? true : undefined, limit };
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

function limitOf(limit = "50"): number {
  const number = Number(limit);
  if (/^\d+$/.test(limit) && number >= 1 && number <= 1_000) return number;
  throw new CauceError("setting_invalid", `--limit must be a whole number from 1 to 1000, not "${limit}"`);
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
