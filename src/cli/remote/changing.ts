/** The commands that change orders and do more than call one operation: `cauce place`, `retry` and `remove`. */
import { counted, jsonLine, type Output, parseJson, readFlagFile, wrongUsage } from "../output.ts";
import { type CommandCall, findOrder, openClient, readKey } from "./connection.ts";

/** `cauce place` */
export async function place({ values: [data], flags, output }: CommandCall): Promise<void> {
  const value = await readData(data, flags.file as string | undefined, output);
  const client = await openClient(flags);
  const result = await client.place(value, readKey(flags));
  if (flags.json) return output.out(jsonLine(result));
  const { placed, order } = result;
  output.out(placed ? `placed ${order.id}\n` : `placed before: ${order.id}, which stands in ${order.status}\n`);
}

async function readData(data: string | undefined, file: string | undefined, output: Output): Promise<unknown> {
  if (data !== undefined && file === undefined) {
    if (data !== "-") return parseJson(data, "DATA", "setting_invalid");
    return parseJson((await output.input?.()) ?? "", "standard input", "invalid_json");
  }
  if (file !== undefined && data === undefined) return parseJson(readFlagFile("--file", file), file, "invalid_json");
  throw wrongUsage("give the order's data either as an argument (- for standard input) or with --file");
}

/** `cauce retry`: one order, or every failed order that matches, once it was said how many those are. */
export async function retry({ values: [id], input, flags, output }: CommandCall): Promise<void> {
  const { fingerprint, status } = input as { readonly fingerprint?: string; readonly status?: string };
  const isFiltered = fingerprint !== undefined || status !== undefined;
  if ([id !== undefined, isFiltered, flags.all === true].filter(Boolean).length !== 1) {
    throw wrongUsage(
      "say what to retry, in one way alone: an order's id, --all, or --fingerprint and --status (one of them or both)",
    );
  }
  const client = await openClient(flags);
  if (id !== undefined) {
    const order = await client.retry(id);
    return output.out(flags.json ? jsonLine(order) : `retried ${order.id}, which stands in ${order.status}\n`);
  }
  const groups = (await client.failures()).filter(
    (group) => group.status === (status ?? group.status) && group.fingerprint === (fingerprint ?? group.fingerprint),
  );
  const count = groups.reduce((sum, group) => sum + group.count, 0);
  const where = [...new Set(groups.map((group) => group.status))].join(", ");
  const question = `Retry ${counted(count, "failed order")} in ${where}`;
  const isConfirmed = count > 0 && (await confirmed(output, question, flags.yes === true));
  let retried = 0;
  for (let cursor: string | null | undefined; isConfirmed && cursor !== null; ) {
    const page = await client.retryMany({ status, fingerprint, cursor });
    retried += page.retried;
    cursor = page.nextCursor;
  }
  if (flags.json) return output.out(jsonLine({ retried }));
  if (count === 0) return output.err("No failed order matches.\n");
  if (isConfirmed) output.out(`retried ${counted(retried, "order")}\n`);
}

/** `cauce remove` */
export async function remove({ input, flags, output }: CommandCall): Promise<void> {
  const client = await openClient(flags);
  const { id, status, createdAt } = await findOrder(client, String(input.id));
  const question = `Remove order ${id} (${status}, placed ${createdAt}) for good`;
  if (!(await confirmed(output, question, flags.yes === true))) return;
  await client.remove(id);
  output.out(flags.json ? jsonLine({ removed: id }) : `removed ${id}\n`);
}

/**
 * Asks whether to go on with what cannot be undone. With `yes`, the answer was given beforehand.
 * @throws `setting_invalid` without a terminal to ask on.
 */
export async function confirmed(output: Output, what: string, yes: boolean): Promise<boolean> {
  if (yes) return true;
  if (output.ask === undefined) {
    throw wrongUsage(`${what}: without a terminal there is no way to ask; give --yes to do it`);
  }
  const reply = await output.ask(`${what}? [y/N] `);
  if (/^y(es)?$/i.test(reply.trim())) return true;
  output.err("Nothing was changed.\n");
  return false;
}
