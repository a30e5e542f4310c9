import type { AnyWorkflow } from "../../core/workflow.ts";
import { ClientError, type OrderOf, type Queue } from "../../http/client/index.ts";
import type { Output } from "../report.ts";
import type { CommandCall } from "./call.ts";
import { duration, jsonLine, plain, styled, table } from "./format.ts";
import { clientOf } from "./remote.ts";

type Order = OrderOf<AnyWorkflow>;

/** `cauce show` */
export async function show({ input, flags, output }: CommandCall): Promise<void> {
  const { id } = input as { readonly id: string };
  const client = await clientOf(flags);
  const order = await client.get(id);
  if (order === undefined) throw new ClientError("order_not_found", `no order has the id "${plain(id)}"; check the id`);
  if (flags.json) return output.out(jsonLine(order));
  const queue = (await client.queues()).find(({ status }) => status === order.status);
  output.out(`${facts(order, queue, output)}\n${await timeline(order, queue !== undefined, output)}`);
}

function facts(order: Order, queue: Queue | undefined, output: Output): string {
  const { failure } = order;
  const rows: [string, string | null][] = [
    ["order", order.id],
    ["workflow", order.workflow],
    ["status", `${styled(output, "bold", order.status)} (${stateOf(order, queue, output)})`],
    ["group", order.group],
    ["placed", order.createdAt],
    ["not before", order.notBefore],
    ["expires", order.expiresAt],
    ["failure", failure && `${failure.code}: ${failure.message}, at ${failure.at}`],
    ["data", JSON.stringify(order.data)],
    ["results", JSON.stringify(order.results)],
  ];
  return rows
    .flatMap(([name, value]) =>
      value === null ? [] : [`${name.padEnd(12)}${name === "status" ? value : plain(value)}\n`],
    )
    .join("");
}

/** What keeps an order where it stands. A status without a queue is final. */
function stateOf(order: Order, queue: Queue | undefined, output: Output): string {
  if (order.failure !== null) return styled(output, "red", "failed");
  if (queue === undefined) return styled(output, "green", "final");
  return queue.paused ? `${queue.kind}, ${styled(output, "yellow", "paused")}` : queue.kind;
}

/** One row for each visit: when it began, how long it lasted, what it took and who moved the order there. */
async function timeline(order: Order, lasts: boolean, output: Output): Promise<string> {
  const { history } = order;
  const rows = history.map((visit, index) => {
    const next = history[index + 1];
    // The next row may be a later visit than the next one, where the history leaves some out.
    const until =
      next === undefined
        ? lasts
          ? Date.now()
          : undefined
        : next.visit === visit.visit + 1
          ? Date.parse(next.at)
          : undefined;
    const notes = [visit.reason, visit.error === null ? null : styled(output, "red", plain(visit.error))];
    return [
      String(visit.visit),
      visit.status,
      visit.at,
      until === undefined ? "" : duration(until - Date.parse(visit.at)),
      String(visit.attempts),
      plain(`${visit.by.runtime} ${visit.by.name}${visit.by.requestId === null ? "" : ` (${visit.by.requestId})`}`),
      notes.flatMap((note, at) => (note === null ? [] : at === 0 ? plain(note) : note)).join(" · "),
    ];
  });
  const gap = history.findIndex((visit, index) => index > 0 && visit.visit !== (history[index - 1]?.visit ?? 0) + 1);
  if (gap > 0) rows.splice(gap, 0, ["…", `${order.historyOmitted} left out`, "", "", "", "", ""]);
  const columns = [
    { name: "visit", align: "right" },
    { name: "status" },
    { name: "entered" },
    { name: "stayed", align: "right" },
    { name: "attempts", align: "right" },
    { name: "by" },
    { name: "note" },
  ] as const;
  return table(output, columns, rows);
}
