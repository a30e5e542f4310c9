import { readdirSync, readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../..", import.meta.url));

export interface Page {
  /** The path from the repository's root, with slashes. */
  readonly path: string;
  readonly text: string;
  readonly fences: readonly Fence[];
  /** Inline code outside of fences, without its backticks. */
  readonly spans: readonly string[];
  /** The targets of links outside of fences. */
  readonly links: readonly string[];
}

export interface Fence {
  readonly language: string;
  readonly body: string;
  /** The HTML comment on the line before. Empty for none. */
  readonly comment: string;
  /** `path:line`, for messages. */
  readonly at: string;
}

/** Reads every page of the docs. */
export function readPages(): Page[] {
  const docs = readdirSync(join(root, "docs"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".md"))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join("/"));
  return ["README.md", "README.es.md", "CONTRIBUTING.md", "CHANGELOG.md", "bench/README.md", ...docs.sort()].map(
    readPage,
  );
}

export function readPage(path: string): Page {
  const text = readText(path);
  const { fences, prose } = split(text, path);
  const spans = [...prose.matchAll(/(`+)(.+?)\1/gs)].map(([, , code = ""]) => code.replace(/\s+/g, " ").trim());
  // A link within inline code is no link.
  const withoutCode = prose.replace(/(`+)(.+?)\1/gs, "code");
  const links = [...withoutCode.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = ""]) => target);
  return { path, text, fences, spans, links };
}

export function readText(path: string): string {
  return readFileSync(join(root, path), "utf8");
}

function split(text: string, path: string): { fences: Fence[]; prose: string } {
  const fences: Fence[] = [];
  const prose: string[] = [];
  const lines = text.split("\n");
  for (let index = 0; index < lines.length; index++) {
    const opening = /^```(\S*)$/.exec(lines[index] ?? "");
    if (opening === null) {
      prose.push(lines[index] ?? "");
      continue;
    }
    const end = lines.indexOf("```", index + 1);
    if (end < 0) throw new Error(`${path}:${index + 1}: the fence has no end`);
    const comment = /^<!-- (.*) -->$/.exec(lines[index - 1] ?? "")?.[1] ?? "";
    const body = lines.slice(index + 1, end).join("\n");
    fences.push({ language: opening[1] ?? "", body, comment, at: `${path}:${index + 1}` });
    index = end;
  }
  return { fences, prose: prose.join("\n") };
}

/** Gives the lines between `// #region name` and the next `// #endregion`, without their common indentation. */
export function regionOf(source: string, name: string): string {
  const lines = source.split("\n");
  const start = lines.findIndex((line) => line.trim() === `// #region ${name}`);
  const end = lines.findIndex((line, index) => index > start && line.trim() === "// #endregion");
  if (start < 0 || end < 0) throw new Error(`there is no region ${name}`);
  const part = lines.slice(start + 1, end);
  const indents = part.filter((line) => line.trim() !== "").map((line) => line.length - line.trimStart().length);
  return part
    .map((line) => line.slice(Math.min(...indents)))
    .join("\n")
    .trim();
}

/** Gives the anchor that GitHub makes of a heading. */
export function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, "")
    .trim()
    .replaceAll(" ", "-");
}

/** Gives the rows' cells of the tables whose header has these first cells, without header and ruler. */
export function tableRows(text: string, ...header: readonly string[]): string[][] {
  const rows: string[][] = [];
  let inside = false;
  for (const line of text.split("\n")) {
    if (!line.startsWith("|")) inside = false;
    else {
      const cells = line
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.trim());
      if (inside) rows.push(cells);
      else inside = header.every((cell, index) => cells[index] === cell);
    }
  }
  return rows.filter((cells) => !cells.every((cell) => /^:?-+:?$/.test(cell)));
}
