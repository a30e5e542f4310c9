import assert from "node:assert/strict";

/** Parses a page's JSON answer, in which `…` stands for an omitted part of a text, a list or an object. */
export function parseShown(text: string): unknown {
  let json = "";
  const open: string[] = [];
  for (let at = 0; at < text.length; at++) {
    const char = text[at] as string;
    if (char === '"') {
      const end = /"(?:\\.|[^"\\])*"/y;
      end.lastIndex = at;
      const string = end.exec(text)?.[0];
      if (string === undefined) throw new Error(`a text has no end in ${text}`);
      json += string;
      at += string.length - 1;
      continue;
    }
    if (char === "{" || char === "[") open.push(char);
    if (char === "}" || char === "]") open.pop();
    json += char !== "…" ? char : open.at(-1) === "{" ? '"…":"…"' : '"…"';
  }
  return JSON.parse(json);
}

/** Asserts that an answer is as shown. Without `…` an object has no other keys, and a list no other items. */
export function assertShown(actual: unknown, shown: unknown, path = "the answer"): void {
  if (typeof shown === "string") {
    assert.equal(typeof actual, "string", `${path} is a text`);
    assert.match(String(actual), wildcard(shown), path);
  } else if (Array.isArray(shown)) {
    assert.ok(Array.isArray(actual), `${path} is a list`);
    const items = shown.filter((item) => item !== "…");
    if (items.length === shown.length) assert.equal(actual.length, items.length, `the items of ${path}`);
    for (const [index, item] of items.entries()) assertShown(actual[index], item, `${path}[${index}]`);
  } else if (typeof shown === "object" && shown !== null) {
    assert.ok(typeof actual === "object" && actual !== null, `${path} is an object`);
    const { "…": more, ...fields } = shown as Record<string, unknown>;
    if (more === undefined) assert.deepEqual(Object.keys(actual).sort(), Object.keys(fields).sort(), path);
    for (const [key, value] of Object.entries(fields)) {
      assertShown((actual as Record<string, unknown>)[key], value, `${path}.${key}`);
    }
  } else assert.equal(actual, shown, path);
}

/** Makes a pattern of a text in which `…` stands for any text. */
export function wildcard(shown: string): RegExp {
  const parts = shown.split("…").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join("[\\s\\S]*")}$`);
}
