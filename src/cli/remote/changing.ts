import { readFile } from "node:fs/promises";
import { wire } from "../../api/orders.ts";
import { ClientError } from "../../client/index.ts";
import { CauceError } from "../../core/errors.ts";
import { type Output, parseJson } from "../output.ts";
import { type CommandCall, clientOf, counted, jsonLine, keyOf, plain } from "./connection.ts";

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

/** `cauce transition` */
export async function transition({ input, flags, output }: CommandCall): Promise<void> {
  const { id, ...wanted } = input as { readonly id: string; readonly to: string };
  const client = await clientOf(flags);
  const order = await client.transition(id, wanted, keyOf(flags));
  output.out(flags.json ? jsonLine(order) : `moved ${order.id}, which stands in ${order.status}\n`);
}

/** `cauce pause` and `cauce resume` */
export async function pauseOrResume({ operation, input, flags, output }: CommandCall): Promise<void> {
  const { status } = input as { readonly status: string };
  const client = await clientOf(flags);
  const queue = await (operation.name === "pause" ? client.pause(status) : client.resume(status));
  const state = queue.paused ? "is paused" : "is handled again";
  output.out(flags.json ? jsonLine(queue) : `${queue.status} ${state}: ${counted(queue.waiting, "order")} waiting\n`);
}

/** `cauce remove` */
export async function remove({ input, flags, output }: CommandCall): Promise<void> {
  const { id } = input as { readonly id: string };
  const client = await clientOf(flags);
  const order = await client.get(id);
  if (order === undefined) throw new ClientError("order_not_found", `no order has the id "${plain(id)}"; check the id`);
  const what = `Remove order ${order.id} (${order.status}, placed ${order.createdAt}) for good`;
  if (!(await confirmed(output, what, flags.yes === true))) return;
  await client.remove(id);
  output.out(flags.json ? jsonLine({ removed: order.id }) : `removed ${order.id}\n`);
}

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

/** Runs an operation that has no drawing of its own, and prints what came of it as JSON. */
export async function plainly({ operation, input, flags, output }: CommandCall): Promise<void> {
  const client = await clientOf(flags, { ...wire, [operation.name]: operation });
  const result = await client.call(operation.name, input, keyOf(flags));
  output.out(jsonLine(result ?? null));
}
