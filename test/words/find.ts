import type { Node } from "oxc-parser";
import { nameOf, parseSource, walk } from "../../scripts/syntax.ts";

const refused = /\b(?:whoever|somebody|nobody|anew|mend|mended|he|his|him)\b/gi;

export interface Found {
  readonly word: string;
  readonly line: number;
}

/** What of a file is prose: comments and strings, comments and the names of tests, or the whole text. */
export type Prose = "comments and strings" | "comments and test names" | "text";

/** Finds the refused words, each as a whole word in any case, in the prose of a file. */
export function findRefusedWords(file: string, text: string, prose: Prose): Found[] {
  const parts = prose === "text" ? [{ start: 0, text }] : proseOf(file, text, prose);
  return parts
    .flatMap(({ start, text }) =>
      [...text.matchAll(refused)].map((match) => ({ word: match[0], at: start + match.index })),
    )
    .sort((a, b) => a.at - b.at)
    .map(({ word, at }) => ({ word, line: text.slice(0, at).split("\n").length }));
}

interface Part {
  readonly start: number;
  readonly text: string;
}

function proseOf(file: string, text: string, prose: Exclude<Prose, "text">): Part[] {
  const { program, comments } = parseSource(file, text);
  const parts: Part[] = comments.map(({ start, end }) => ({ start, text: text.slice(start, end) }));
  walk(program, (node, parents) => {
    const isString = (node.type === "Literal" && typeof node.value === "string") || node.type === "TemplateElement";
    if (!isString || (prose === "comments and test names" && !isTestName(node, parents))) return;
    // The escaped line break of "a\\nb" is no letter of the word after it.
    parts.push({ start: node.start, text: text.slice(node.start, node.end).replace(/\\[nrt]/g, "  ") });
  });
  return parts;
}

/** Tells whether a string is the first argument of `it`, `test`, `describe`, `it.skip`, `t.test` and the like. */
function isTestName(node: Node, parents: readonly Node[]): boolean {
  let inner = node;
  for (const parent of parents) {
    if (parent.type === "CallExpression") return parent.arguments[0] === inner && isTestCall(parent.callee);
    if (parent.type !== "TemplateLiteral" && parent.type !== "BinaryExpression") return false;
    inner = parent;
  }
  return false;
}

function isTestCall(callee: Node): boolean {
  if (callee.type !== "MemberExpression") return /^(?:it|test|describe|suite)$/.test(nameOf(callee) ?? "");
  return isTestCall(callee.object) || (nameOf(callee.object) === "t" && nameOf(callee.property) === "test");
}

/** Gives the part of a changelog that is not released yet, with a line for each line before it. */
export function unreleasedOf(changelog: string): string {
  const [before = "", after = ""] = changelog.split(/^(?=## \[Unreleased\])/m);
  const [unreleased = ""] = after.split(/^(?=## \[(?!Unreleased))/m);
  return before.replace(/[^\n]/g, "") + unreleased;
}

/** Says what of a file is looked at, by its path in the checkout; undefined where it holds no prose of ours. */
export function proseIn(path: string): Prose | undefined {
  const [folder = ""] = path.split("/");
  const isCode = /\.[cm]?[jt]s$/.test(path);
  if (folder === "test") return isCode ? "comments and test names" : undefined;
  if (["src", "scripts", "bench", "bin", "templates", "examples"].includes(folder)) {
    if (isCode) return "comments and strings";
    return /\.(?:json|csv|ndjson)$/.test(path) ? undefined : "text";
  }
  const isPage = path.endsWith(".md") && !path.endsWith(".es.md");
  return isPage && (folder === "docs" || folder === path) ? "text" : undefined;
}
