import type { Bench } from "./bench.ts";
import type { Figure, FigureName } from "./bounds.ts";

/** What the parts of a run share. A part that fails adds a fault. */
export interface Parts {
  readonly bench: Bench;
  readonly faults: string[];
}

/** Measures one part. If it fails, the figures of the other parts must stay, since they took minutes. */
export async function part<T>(
  { bench, faults }: Parts,
  name: string,
  measure: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await measure();
  } catch (error) {
    faults.push(`${name}: ${(error as Error).message}`);
    bench.progress(`${name} failed: ${(error as Error).message}`);
    return undefined;
  }
}

/** Gives the figures of a part that failed: none keeps its bound. */
export function missing(...names: readonly FigureName[]): Figure[] {
  return names.map((name) => ({ name, value: Number.NaN }));
}
