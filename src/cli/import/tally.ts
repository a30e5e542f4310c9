import type { Counts } from "./counts.ts";
import type { Progress } from "./progressFile.ts";
import type { RefusedFile } from "./refusedFile.ts";
import type { Row } from "./row.ts";

/** How far an import is, and what came of its lines, over all of its runs. */
export interface Tally {
  /**
   * Takes the rows in their order, as far as each has an outcome, and gives how many. A row behind one that is still
   * open waits: a run that ends before it sends both again, and would count it twice.
   */
  take(rows: readonly Row[], from: number): number;
  counts(): Counts;
  position(): Pick<Progress, "bytes" | "line">;
}

export function createTally(from: Progress | undefined, refused: RefusedFile): Tally {
  const startedAt = performance.now();
  let { placed = 0, repeated = 0, refused: refusals = 0, bytes = 0, line = 0 } = from ?? {};
  return {
    take(rows, first) {
      let at = first;
      for (let row = rows[at]; row?.outcome !== undefined; row = rows[++at]) {
        if (typeof row.outcome !== "string") refused.add(row, row.outcome);
      }
      // First: a line that could not be written down must come again, so it does not count.
      refused.flush();
      for (let counted = first; counted < at; counted++) {
        const { outcome, end, endLine } = rows[counted] as Row;
        if (outcome === "placed") placed++;
        else if (outcome === "repeated") repeated++;
        else refusals++;
        bytes = end;
        line = endLine;
      }
      return at;
    },
    counts() {
      const seconds = (from?.seconds ?? 0) + (performance.now() - startedAt) / 1_000;
      const lines = placed + repeated + refusals;
      return { placed, repeated, refused: refusals, lines, seconds: Number(seconds.toFixed(3)) };
    },
    position: () => ({ bytes, line }),
  };
}
