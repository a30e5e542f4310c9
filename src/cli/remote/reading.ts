/** The commands that show orders and queues to people, as tables, and to programs, as JSON. */
import { setTimeout as sleep } from "node:timers/promises";
import { styleText } from "node:util";
import { rowOf, type WorkflowQueues } from "../../client/createClient.ts";
import { ClientError, type OrderOf, type Queue } from "../../client/index.ts";
import type { HistoryEntry } from "../../core/order.ts";
import type { AnyWorkflow } from "../../core/workflow.ts";
import { counted, jsonLine, type Output, plain, wrongUsage } from "../output.ts";
import { type CommandCall, findOrder, findServer, openClient, type Server } from "./connection.ts";

type Order = OrderOf<AnyWorkflow>;

const pageOrdersMax = 200;

/** `cauce list` */
export async function list({ input, flags, output }: CommandCall): Promise<void> {
  if (flags.all && flags.limit !== undefined) {
    throw wrongUsage("--limit and --all exclude each other; keep one of them");
  }
  const client = await openClient(flags);
  const query = flags.all ? { ...input, limit: pageOrdersMax } : input;
  let cursor: string | undefined;
  let count = 0;
  do {
    const page = await client.list({ ...query, cursor });
    count += page.items.length;
    cursor = page.nextCursor ?? undefined;
    if (flags.json) for (const order of page.items) output.out(jsonLine(order));
    else if (page.items.length > 0) output.out(await drawOrders(page.items, output));
    // The next page is asked for once the reader has taken this one: a slow reader would fill the memory.
    await output.taken?.();
  } while (flags.all && cursor !== undefined && !output.closed?.aborted);
  if (flags.json) return;
  if (count === 0) return output.err("No order matches.\n");
  if (cursor !== undefined && !flags.all) output.err(`The newest ${counted(count, "order")}; --all shows every one.\n`);
}

function drawOrders(orders: readonly Order[], output: Output): Promise<string> {
  return table(output, orders, [
    ["order", ({ id }) => id],
    ["status", ({ status }) => status],
    ["version", ({ version }) => version, "right"],
    ["placed", ({ createdAt }) => createdAt],
    ["changed", ({ updatedAt }) => updatedAt],
    ["group", ({ group }) => cut(plain(group ?? ""), 30)],
    ["failure", ({ failure }) => failure && styled(output, "red", cut(plain(failure.message), 60))],
  ]);
}

/** `cauce show` */
export async function show({ input, flags, output }: CommandCall): Promise<void> {
  const client = await openClient(flags);
  const order = await findOrder(client, String(input.id));
  if (flags.json) return output.out(jsonLine(order));
  const queue = (await client.queues()).find(({ status }) => status === order.status);
  output.out(`${describeOrder(order, queue, output)}\n${await drawTimeline(order, queue !== undefined, output)}`);
}

function describeOrder(order: Order, queue: Queue | undefined, output: Output): string {
  const { failure } = order;
  const status = `${styled(output, "bold", order.status)} (${describeState(order, queue, output)})`;
  const facts = {
    order: order.id,
    workflow: order.workflow,
    status,
    group: order.group,
    placed: order.createdAt,
    "not before": order.notBefore,
    expires: order.expiresAt,
    failure: failure && `${failure.code}: ${failure.message}, at ${failure.at}`,
    data: JSON.stringify(order.data),
    results: JSON.stringify(order.results),
  };
  return Object.entries(facts)
    .flatMap(([name, value]) =>
      value === null ? [] : [`${name.padEnd(12)}${value === status ? value : plain(value)}\n`],
    )
    .join("");
}

/** Says what keeps an order in its status. A status without a queue is final. */
function describeState(order: Order, queue: Queue | undefined, output: Output): string {
  if (order.failure !== null) return styled(output, "red", "failed");
  if (queue === undefined) return styled(output, "green", "final");
  return queue.paused ? `${queue.kind}, ${styled(output, "yellow", "paused")}` : queue.kind;
}

/** A row of the timeline: a visit, or how many visits the history leaves out. */
interface TimelineRow extends Partial<Omit<HistoryEntry, "visit">> {
  readonly visit: number | "…";
  readonly until?: number | undefined;
}

/** Draws a row for each visit: when it began, how long it lasted, what it took and who moved the order there. */
function drawTimeline({ history, historyOmitted }: Order, isOpen: boolean, output: Output): Promise<string> {
  const rows = history.flatMap((visit, index): TimelineRow[] => {
    const next = history[index + 1];
    if (next === undefined) return [{ ...visit, until: isOpen ? Date.now() : undefined }];
    if (next.visit === visit.visit + 1) return [{ ...visit, until: Date.parse(next.at) }];
    return [visit, { visit: "…", status: `${historyOmitted} left out` }];
  });
  return table(output, rows, [
    ["visit", ({ visit }) => visit, "right"],
    ["status", ({ status }) => status],
    ["entered", ({ at }) => at],
    ["stayed", ({ at = "", until }) => until && duration(until - Date.parse(at)), "right"],
    ["attempts", ({ attempts }) => attempts, "right"],
    ["by", ({ by }) => by && plain(`${by.runtime} ${by.name}${by.requestId === null ? "" : ` (${by.requestId})`}`)],
    [
      "note",
      ({ reason, error }) =>
        [reason && plain(reason), error && styled(output, "red", plain(error))].filter(Boolean).join(" · "),
    ],
  ]);
}

/** `cauce failures` */
export async function failures({ flags, output }: CommandCall): Promise<void> {
  const groups = await (await openClient(flags)).failures();
  if (flags.json) return output.out(groups.map(jsonLine).join(""));
  if (groups.length === 0) return output.err("No order has failed.\n");
  const drawn = await table(output, groups, [
    ["count", ({ count }) => count, "right"],
    ["status", ({ status }) => plain(status)],
    ["first", ({ firstAt }) => firstAt],
    ["last", ({ lastAt }) => lastAt],
    // `cauce retry` takes the fingerprint, so it is never cut.
    ["fingerprint", ({ fingerprint }) => plain(fingerprint)],
    ["last message", ({ message }) => cut(plain(message), 60)],
  ]);
  output.out(drawn);
}

const watchSeconds = 2;

/** `cauce queues`: once, or again and again until the process ends or the reader is gone. */
export async function queues({ flags, output }: CommandCall): Promise<void> {
  const server = findServer(flags);
  const draw = async (): Promise<string> => {
    const rows = (await readQueues(server)).flatMap(({ workflow, queues }) =>
      queues.map((queue) => ({ workflow, ...queue })),
    );
    return flags.json ? rows.map(jsonLine).join("") : drawQueues(rows, output);
  };
  if (flags.watch === undefined) return output.out(await draw());
  const seconds = parseSeconds(flags.watch);
  const redraws = output.terminal && !flags.json;
  const show = redraws ? redraw(output, `${server.url}, every ${seconds} s; Ctrl+C ends`) : output.out;
  show(await draw());
  for (;;) {
    try {
      await sleep(seconds * 1_000, undefined, output.closed ? { signal: output.closed } : {});
    } catch {
      return;
    }
    try {
      show(await draw());
    } catch (error) {
      // Watching goes on while the server is away, as when it restarts.
      if (!(error instanceof ClientError && error.code === "unreachable")) throw error;
      const text = `${error.code}: ${error.message}`;
      if (redraws) show(`${styled(output, "red", text)}\n`);
      else output.err(`${text}\n`);
    }
  }
}

async function readQueues(server: Server): Promise<readonly WorkflowQueues[]> {
  const workflows = await server.queues();
  const { workflow, url } = server;
  return workflow === undefined ? workflows : [rowOf({ workflows }, { workflow, serverUrl: url })];
}

function drawQueues(rows: readonly (Queue & { readonly workflow: string })[], output: Output): Promise<string> {
  const count = (number: number, { atLeast }: Queue) => (atLeast && number > 0 ? `≥ ${number}` : String(number));
  return table(output, rows, [
    ["workflow", ({ workflow }) => workflow],
    ["status", ({ status }) => plain(status)],
    ["kind", ({ kind }) => kind],
    ["waiting", (row) => count(row.waiting, row), "right"],
    ["in flight", (row) => count(row.inFlight, row), "right"],
    ["delayed", (row) => count(row.delayed, row), "right"],
    ["failed", (row) => (row.failed > 0 ? styled(output, "red", count(row.failed, row)) : 0), "right"],
    ["", ({ paused }) => (paused ? styled(output, "yellow", "paused") : "")],
  ]);
}

function parseSeconds(watch: unknown): number {
  if (watch === true) return watchSeconds;
  const seconds = Number(watch);
  if (/^\d+(\.\d+)?$/.test(String(watch)) && seconds > 0 && seconds <= 3_600) return seconds;
  throw wrongUsage(`--watch takes seconds above 0 and up to 3600, not "${watch}"`);
}

/** Draws over what was drawn before. Each line and what is below is cleared to the end, so that nothing flickers. */
function redraw(output: Output, title: string): (text: string) => void {
  output.out("\x1b[2J");
  return (text) => {
    const lines = [styled(output, "dim", title), "", ...text.trimEnd().split("\n")];
    output.out(`\x1b[H${lines.map((line) => `${line}\x1b[K\n`).join("")}\x1b[J`);
  };
}

/** A column of a table: its heading, what stands in an item's cell, and `right` for numbers. */
type Column<Item> = readonly [
  heading: string,
  cell: (item: Item) => string | number | null | undefined,
  align?: "right",
];

/**
 * Draws items as rows under headings, without borders: what `cut` and `awk` can take apart too. Text from orders may
 * contain anything, so a cell lets only `plain` text through.
 */
export async function table<Item>(
  output: Output,
  items: readonly Item[],
  columns: readonly Column<Item>[],
): Promise<string> {
  // Loaded late: `cauce start` draws no table.
  const { default: Table } = await import("cli-table3");
  const drawn = new Table({
    head: columns.map(([heading]) => styled(output, "bold", heading)),
    colAligns: columns.map(([, , align]) => align ?? "left"),
    chars: { ...noBorders, middle: "  " },
    style: { head: [], border: [], "padding-left": 0, "padding-right": 0 },
  });
  for (const item of items) drawn.push(columns.map(([, cell]) => cell(item) ?? ""));
  const lines = drawn.toString().split("\n");
  return `${lines.map((line) => line.trimEnd()).join("\n")}\n`;
}

const borders =
  "top top-mid top-left top-right bottom bottom-mid bottom-left bottom-right left left-mid mid mid-mid right right-mid";
const noBorders = Object.fromEntries(borders.split(" ").map((part) => [part, ""]));

/** Text in a style, where the output has colours. */
function styled(output: Output, style: "bold" | "dim" | "red" | "yellow" | "green", text: string): string {
  return output.colours ? styleText(style, text, { validateStream: false }) : text;
}

export function cut(text: string, lengthMax: number): string {
  return text.length > lengthMax ? `${text.slice(0, lengthMax - 1).trimEnd()}…` : text;
}

/** A length of time in its two largest units: `850 ms`, `3 min 20 s`, `2 d 4 h`. */
export function duration(milliseconds: number): string {
  if (milliseconds < 1_000) return `${Math.max(0, Math.round(milliseconds))} ms`;
  if (milliseconds < 10_000) return `${(Math.floor(milliseconds / 100) / 10).toFixed(1)} s`;
  const seconds = Math.floor(milliseconds / 1_000);
  const counts: [count: number, unit: string][] = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3_600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [seconds % 60, "s"],
  ];
  const largest = counts.findIndex(([count]) => count > 0);
  const shown = counts.slice(largest, largest + 2).filter(([count]) => count > 0);
  return shown.map(([count, unit]) => `${count} ${unit}`).join(" ");
}
