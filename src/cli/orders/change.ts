import { ClientError } from "../../http/client/index.ts";
import type { CommandCall } from "./call.ts";
import { confirmed } from "./confirm.ts";
import { counted, jsonLine, plain } from "./format.ts";
import { clientOf, keyOf } from "./remote.ts";

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
