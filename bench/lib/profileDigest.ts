/** Where a thread's time went, from a profile of V8: by group, and by function. */

/** A profile as `--cpu-prof` writes it. Times are microseconds of the monotonic clock. */
export interface CpuProfile {
  readonly startTime: number;
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  /** Between each sample and the one before. */
  readonly timeDeltas: readonly number[];
}

export interface Digest {
  /** Microseconds of each group. */
  readonly groups: ReadonlyMap<string, number>;
  /** The functions with the most time of their own, first. */
  readonly functions: readonly { readonly name: string; readonly group: string; readonly microseconds: number }[];
}

/** A span of the monotonic clock, in microseconds. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

export const idle = "idle";

/** Adds up each function's own time within a span. */
export function digest({ startTime, nodes, samples, timeDeltas }: CpuProfile, { from, to }: Span): Digest {
  const nodeOf = new Map(nodes.map((node) => [node.id, node]));
  const byNode = new Map<number, number>();
  let at = startTime;
  samples.forEach((id, index) => {
    at += timeDeltas[index] ?? 0;
    if (at < from || at > to) return;
    // A sample stands for the time until the next one.
    byNode.set(id, (byNode.get(id) ?? 0) + (timeDeltas[index + 1] ?? 0));
  });
  const groups = new Map<string, number>();
  const functions = new Map<string, { name: string; group: string; microseconds: number }>();
  for (const [id, microseconds] of byNode) {
    const node = nodeOf.get(id);
    if (node === undefined) continue;
    const group = groupOf(node.callFrame);
    groups.set(group, (groups.get(group) ?? 0) + microseconds);
    const name = nameOf(node.callFrame);
    const sum = functions.get(name) ?? { name, group, microseconds: 0 };
    sum.microseconds += microseconds;
    functions.set(name, sum);
  }
  const byTime = (a: { microseconds: number }, b: { microseconds: number }) => b.microseconds - a.microseconds;
  return { groups, functions: [...functions.values()].filter(({ group }) => group !== idle).toSorted(byTime) };
}

type Frame = CpuProfile["nodes"][number]["callFrame"];

const ofV8: Readonly<Record<string, string>> = { "(idle)": idle, "(garbage collector)": "gc" };
const nodeHttp = /^node:(_?http|net|_tls|internal\/(http|stream|net)|_stream|stream|events|internal\/event)/;

/** Gives the group of a function: V8's own, Node's HTTP, the rest of Node, a package, an example, or this repository. */
function groupOf({ functionName, url }: Frame): string {
  if (url === "") return ofV8[functionName] ?? "native";
  if (url.startsWith("node:")) return nodeHttp.test(url) ? "node http" : "node";
  const inPackage = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1];
  if (inPackage !== undefined) return inPackage === "@hono/node-server" ? "hono" : inPackage;
  if (url.includes("/examples/")) return "example";
  return "ours";
}

function nameOf({ functionName, url, lineNumber }: Frame): string {
  const name = functionName || "(anonymous)";
  if (url === "") return name;
  const file = url.replace(/^file:\/\//, "").replace(/^.*\/(?=(?:node_modules|src|bench|examples)\/)/, "");
  return `${name} ${file}:${lineNumber + 1}`;
}
