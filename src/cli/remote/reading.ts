import { setTimeout as pause } from "node:timers/promises";
import { rowOf, type WorkflowQueues } from "../../client/createClient.ts";
import { ClientError, type OrderOf, type PageQuery, type Queue } from "../../client/index.ts";
import { CauceError } from "../../core/errors.ts";
import type { AnyWorkflow } from "../../core/workflow.ts";
import type { Output } from "../output.ts";
import {
  type CommandCall,
  clientOf,
  counted,
  cut,
  duration,
  jsonLine,
  plain,
  type Server,
  serverOf,
  styled,
  table,
} from "./connection.ts";

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
    else if (page.items.length > 0) output.out(await drawnOrders(page.items, output));
    // No page is asked for before the last one is taken: a slow reader would fill the memory.
    await output.taken?.();
  } while (flags.all && cursor !== undefined && !output.closed?.aborted);
  if (flags.json) return;
  if (count === 0) output.err("No order matches.\n");
  else if (cursor !== undefined && !flags.all)
    output.err(`The newest ${counted(count, "order")}; --all shows every one.\n`);
}

function drawnOrders(orders: readonly OrderOf<AnyWorkflow>[], output: Output): Promise<string> {
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

const defaultSeconds = 2;

/** `cauce queues`: once, or again and again until the process ends or nobody reads any more. */
export async function queues({ flags, output }: CommandCall): Promise<void> {
  const server = serverOf(flags);
  const draw = async () => {
    const workflows = await read(server);
    return flags.json ? workflows.map(jsonOf).join("") : drawnQueues(workflows, output);
  };
  if (flags.watch === undefined) return output.out(await draw());
  const seconds = secondsOf(flags.watch);
  const show =
    output.terminal && !flags.json ? redraw(output, `${server.url}, every ${seconds} s; Ctrl+C ends`) : output.out;
  show(await draw());
  for (;;) {
    try {
      await pause(seconds * 1_000, undefined, output.closed ? { signal: output.closed } : {});
    } catch {
      return;
    }
    // A server that starts anew is not the end of watching it.
    const text = await draw().catch((error: unknown) => {
      if (!(error instanceof ClientError && error.code === "unreachable")) throw error;
      return error;
    });
    if (typeof text === "string") show(text);
    else if (flags.json || !output.terminal) output.err(`${text.code}: ${text.message}\n`);
    else show(`${styled(output, "red", `${text.code}: ${text.message}`)}\n`);
  }
}

async function read(server: Server): Promise<readonly WorkflowQueues[]> {
  const workflows = await server.queues();
  const { workflow } = server;
  if (workflow === undefined) return workflows;
  return [rowOf({ workflows }, { workflow, serverUrl: server.url })];
}

function jsonOf({ workflow, queues }: WorkflowQueues): string {
  return queues.map((queue) => jsonLine({ workflow, ...queue })).join("");
}

function drawnQueues(workflows: readonly WorkflowQueues[], output: Output): Promise<string> {
  const columns = [
    { name: "workflow" },
    { name: "status" },
    { name: "kind" },
    { name: "waiting", align: "right" },
    { name: "in flight", align: "right" },
    { name: "delayed", align: "right" },
    { name: "failed", align: "right" },
    { name: "" },
  ] as const;
  const rows = workflows.flatMap(({ workflow, queues }) =>
    queues.map((queue) => [workflow, ...cellsOf(queue, output)]),
  );
  return table(output, columns, rows);
}

function cellsOf(queue: Queue, output: Output): string[] {
  const count = (number: number) => (queue.atLeast && number > 0 ? `≥ ${number}` : String(number));
  const failed = count(queue.failed);
  return [
    plain(queue.status),
    queue.kind,
    count(queue.waiting),
    count(queue.inFlight),
    count(queue.delayed),
    queue.failed > 0 ? styled(output, "red", failed) : failed,
    queue.paused ? styled(output, "yellow", "paused") : "",
  ];
}

function secondsOf(watch: boolean | string): number {
  if (typeof watch === "boolean") return defaultSeconds;
  const seconds = Number(watch);
  if (/^\d+(\.\d+)?$/.test(watch) && seconds > 0 && seconds <= 3_600) return seconds;
  throw new CauceError("setting_invalid", `--watch takes seconds above 0 and up to 3600, not "${watch}"`);
}

/** Draws over what was drawn before: each line is cleared to its end and whatever stands below, so that nothing flickers. */
function redraw(output: Output, title: string): (text: string) => void {
  output.out("\x1b[2J");
  return (text) => {
    const lines = [styled(output, "dim", title), "", ...text.trimEnd().split("\n")];
    output.out(`\x1b[H${lines.map((line) => `${line}\x1b[K\n`).join("")}\x1b[J`);
  };
}
