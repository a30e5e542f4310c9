import { CauceError } from "../../core/errors.ts";
import { ClientError } from "../../http/client/index.ts";
import type { Output } from "../report.ts";
import { confirmed } from "./confirm.ts";
import { counted, jsonLine, plain } from "./format.ts";
import { parseJson } from "./place.ts";
import { clientOf, type RemoteFlags } from "./remote.ts";

interface TransitionFlags extends RemoteFlags {
  readonly reason?: string;
  readonly results?: string;
  readonly expectedVersion?: string;
  readonly idempotencyKey?: string;
  readonly json?: boolean;
}

/** `cauce transition` */
export async function transition(id: string, to: string, flags: TransitionFlags, output: Output): Promise<void> {
  const { reason, idempotencyKey } = flags;
  const results = flags.results === undefined ? undefined : resultsOf(flags.results);
  const expectedVersion = flags.expectedVersion === undefined ? undefined : versionOf(flags.expectedVersion);
  const client = await clientOf(flags);
  const order = await client.transition(id, { to, reason, results, expectedVersion }, { idempotencyKey });
  output.out(flags.json ? jsonLine(order) : `moved ${order.id}, which stands in ${order.status}\n`);
}

/** `cauce pause` and `cauce resume` */
export async function setPaused(
  paused: boolean,
  status: string,
  flags: RemoteFlags & { readonly json?: boolean },
  output: Output,
): Promise<void> {
  const client = await clientOf(flags);
  const queue = await (paused ? client.pause(status) : client.resume(status));
  const state = queue.paused ? "is paused" : "is handled again";
  output.out(flags.json ? jsonLine(queue) : `${queue.status} ${state}: ${counted(queue.waiting, "order")} waiting\n`);
}

/** `cauce remove` */
export async function remove(
  id: string,
  flags: RemoteFlags & { readonly yes?: boolean; readonly json?: boolean },
  output: Output,
): Promise<void> {
  const client = await clientOf(flags);
  const order = await client.get(id);
  if (order === undefined) throw new ClientError("order_not_found", `no order has the id "${plain(id)}"; check the id`);
  const what = `Remove order ${order.id} (${order.status}, placed ${order.createdAt}) for good`;
  if (!(await confirmed(output, what, flags.yes === true))) return;
  await client.remove(id);
  output.out(flags.json ? jsonLine({ removed: order.id }) : `removed ${order.id}\n`);
}

function resultsOf(text: string): Record<string, unknown> {
  const results = parseJson(text, "--results", "setting_invalid");
  if (typeof results === "object" && results !== null && !Array.isArray(results)) return { ...results };
  throw new CauceError("setting_invalid", "--results must be a JSON object");
}

function versionOf(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new CauceError("setting_invalid", `--expected-version must be a whole number, not "${text}"`);
}
