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
        if (row.outcome === "placed") placed++;
        else if (row.outcome === "repeated") repeated++;
        else {
          refusals++;
          refused.add(row, row.outcome);
        }
        bytes = row.end;
        line = row.endLine;
      }
      refused.flush();
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
