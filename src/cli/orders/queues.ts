import { setTimeout as pause } from "node:timers/promises";
import { CauceError } from "../../core/errors.ts";
import { ClientError, type Queue } from "../../http/client/index.ts";
import { rowOf, type WorkflowQueues } from "../../http/client/queues.ts";
import type { Output } from "../report.ts";
import type { CommandCall } from "./call.ts";
import { jsonLine, plain, styled, table } from "./format.ts";
import { type Server, serverOf } from "./remote.ts";

const defaultSeconds = 2;

/** `cauce queues`: once, or again and again until the process ends or nobody reads any more. */
export async function queues({ flags, output }: CommandCall): Promise<void> {
  const server = serverOf(flags);
  const draw = async () => {
    const workflows = await read(server);
    return flags.json ? workflows.map(jsonOf).join("") : drawn(workflows, output);
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

function drawn(workflows: readonly WorkflowQueues[], output: Output): Promise<string> {
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
