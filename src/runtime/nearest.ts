const prefix = "CAUCE_";

/** The variable that was meant: one that a slip in at most every third letter of its name, or one, turns into this. */
export function nearest(name: string, candidates: readonly string[]): string | undefined {
  const own = name.slice(prefix.length);
  const distances = candidates.map((candidate) => ({
    candidate,
    distance: editDistance(own, candidate.slice(prefix.length)),
  }));
  const best = distances.reduce((least, next) => (next.distance < least.distance ? next : least));
  return best.distance <= Math.max(1, own.length / 3) ? best.candidate : undefined;
}

/** How many letters are changed, added, left out, or swapped with the next one. */
function editDistance(from: string, to: string): number {
  let before: number[] = [];
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const changed = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1);
      const swapped = from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1] ? (before[j - 2] ?? i) + 1 : changed;
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, changed, swapped));
    }
    before = row;
    row = next;
  }
  return row[to.length] ?? 0;
}
