/** Applies a unified diff to files, and returns the changed files by path. Throws where the diff does not fit. */
export function applyDiff(diff: string, read: (path: string) => string): Map<string, string> {
  const changed = new Map<string, string>();
  for (const section of diff.split(/^--- /m).slice(1)) {
    const [from = "", to = "", ...rest] = section.split("\n");
    const path = from.replace(/^a\//, "");
    if (to !== `+++ b/${path}`) throw new Error(`one file, one name: ${from}, ${to}`);
    let lines = read(path).split("\n");
    for (const hunk of rest
      .join("\n")
      .split(/^@@ .*\n/m)
      .slice(1))
      lines = applyHunk(lines, hunk, path);
    changed.set(path, lines.join("\n"));
  }
  return changed;
}

function applyHunk(lines: readonly string[], hunk: string, path: string): string[] {
  const marked = hunk.replace(/\n$/, "").split("\n");
  // Editors remove the blank of an empty context line.
  const mark = (line: string) => line[0] ?? " ";
  const before = marked.filter((line) => mark(line) !== "+").map((line) => line.slice(1));
  const after = marked.filter((line) => mark(line) !== "-").map((line) => line.slice(1));
  const fits = lines.flatMap((_, at) => (before.every((line, index) => lines[at + index] === line) ? [at] : []));
  const [at] = fits;
  if (at === undefined || fits.length > 1) throw new Error(`the diff fits ${path} ${fits.length} times:\n${hunk}`);
  return [...lines.slice(0, at), ...after, ...lines.slice(at + before.length)];
}
