import type { Summary } from "./report.ts";
import { median } from "./statistics.ts";

/** The measures that are compared, under the names of `--json`, and in which direction each is worse. */
const measures = {
  completedPerSecond: { name: "completed/s", worse: "less" },
  batchPerSecond: { name: "batch orders/s", worse: "less" },
  idleP50Milliseconds: { name: "idle p50 ms", worse: "more" },
} as const;

type Measure = keyof typeof measures;
export type Measured = Pick<Summary, Measure>;

const worseMax = 0.05;

/** One measure of two checkouts, run in turn. */
export interface Compared {
  readonly measure: Measure;
  readonly a: readonly number[];
  readonly b: readonly number[];
  /** How much worse B is by medians, as a share of A's: 0.1 is 10 % worse, below 0 is better. */
  readonly worse: number;
  /** Between the best and the worst of A's own rounds, as a share of its median. */
  readonly spread: number;
  readonly holds: boolean;
}

/** Compares the runs of two checkouts, measure by measure. A measure that a run did not give does not pass. */
export function compared(a: readonly Measured[], b: readonly Measured[]): Compared[] {
  return (Object.keys(measures) as Measure[]).map((measure) => {
    const [ofA, ofB] = [a, b].map((runs) => runs.map((run) => run[measure] ?? Number.NaN)) as [number[], number[]];
    const middle = median(ofA);
    const more = (median(ofB) - middle) / middle;
    const worse = measures[measure].worse === "more" ? more : -more;
    const spread = (Math.max(...ofA) - Math.min(...ofA)) / middle;
    return { measure, a: ofA, b: ofB, worse, spread, holds: worse <= worseMax || worse < spread };
  });
}

export function describeCompared({ measure, a, b, worse, spread, holds }: Compared): string {
  const rounds = (values: readonly number[]) => `${median(values)} (${values.join(" ")})`;
  const difference = `${percent(Math.abs(worse))} ${worse > 0 ? "worse" : "better"}`;
  return `${measures[measure].name}: A ${rounds(a)}, B ${rounds(b)}: ${difference}, A's own spread ${percent(spread)}: ${holds ? "holds" : "DOES NOT HOLD"}`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
