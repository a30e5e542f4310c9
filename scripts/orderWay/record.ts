// Node loads this file first in each thread of a measured process (`NODE_OPTIONS=--import=…`). From then on V8 counts the
// calls of every function in that thread. The main thread collects the counts of all threads when it is asked for them.
import { type Profiler, Session } from "node:inspector";
import { BroadcastChannel, isMainThread } from "node:worker_threads";
import type { Called } from "./passed.ts";

/** What threads tell each other: a worker is there, the main thread asks for counts, a worker gives them. */
type Message = "here" | "take" | { readonly taken: Called[] };

const source = process.env.ORDER_WAY_SOURCE ?? "";
const session = new Session();
session.connect();
session.post("Profiler.enable");
session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });

const channel = new BroadcastChannel("cauce order-way");
channel.unref();
const send = (message: Message) => channel.postMessage(message);
let workers = 0;
let taken: Called[][] = [];
let onTaken = () => {};

/** Gives the calls of this thread since they were taken last. */
export function takeHere(): Called[] {
  let scripts: Profiler.ScriptCoverage[] = [];
  // The inspector answers its own thread before `post` returns.
  session.post("Profiler.takePreciseCoverage", (error, answer) => {
    if (error !== null) throw error;
    scripts = answer.result;
  });
  return scripts
    .filter(({ url }) => url.startsWith(source))
    .flatMap(({ url, functions }) =>
      functions.flatMap(({ functionName, ranges: [whole] }) =>
        whole === undefined || whole.count === 0
          ? []
          : [
              {
                file: url.slice(source.length),
                name: functionName,
                offset: whole.startOffset,
                calls: whole.count,
              },
            ],
      ),
    );
}

/** Gives the calls of every thread since they were taken last. For the main thread. */
export async function takeAll(): Promise<Called[][]> {
  const here = takeHere();
  taken = [];
  const answered = new Promise<void>((resolve) => {
    onTaken = resolve;
  });
  send("take");
  if (workers > 0) await answered;
  return [here, ...taken];
}

channel.onmessage = (event: { data: unknown }) => {
  const message = event.data as Message;
  if (!isMainThread) {
    if (message === "take") send({ taken: takeHere() });
  } else if (message === "here") workers++;
  else if (typeof message === "object" && taken.push(message.taken) === workers) onTaken();
};

if (!isMainThread) send("here");
else if (process.send !== undefined) {
  const answer = process.send.bind(process);
  process.on("message", async (message) => {
    if (message === "take") answer(await takeAll());
  });
  process.channel?.unref();
}
