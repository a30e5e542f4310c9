/** A function of src that was called. */
export interface Called {
  /** Its file, by its path in src. */
  readonly file: string;
  /** "" where it has no name. */
  readonly name: string;
  /** Where it begins in its file, in characters: two functions may have one name. */
  readonly offset: number;
  readonly calls: number;
}

export interface Way {
  readonly files: number;
  readonly functions: number;
  readonly calls: number;
}

/** Adds up the calls of each function. */
export function addCalls(...parts: readonly (readonly Called[])[]): Called[] {
  const sums = new Map<string, Called>();
  for (const called of parts.flat()) {
    const key = keyOf(called);
    sums.set(key, { ...called, calls: called.calls + (sums.get(key)?.calls ?? 0) });
  }
  return [...sums.values()];
}

function keyOf({ file, offset }: Called): string {
  return `${file}:${offset}`;
}

/**
 * Gives what most of several equal measurements have: the functions that more than half of them called, each with the
 * median of its calls. A timer that fell into one of them is left out.
 */
export function usualCalls(measured: readonly (readonly Called[])[]): Called[] {
  const byFunction = Map.groupBy(measured.flat(), keyOf);
  return [...byFunction.values()].flatMap((each) => {
    if (each.length * 2 <= measured.length) return [];
    const sorted = each.toSorted((a, b) => a.calls - b.calls);
    return sorted[Math.floor(sorted.length / 2)] ?? [];
  });
}

export function countWay(called: readonly Called[]): Way {
  return {
    files: new Set(called.map(({ file }) => file)).size,
    functions: called.length,
    calls: called.reduce((sum, { calls }) => sum + calls, 0),
  };
}
