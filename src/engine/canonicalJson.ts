import canonicalize from "canonicalize";

/**
 * Writes the canonical JSON (RFC 8785) of content: the members of each object in the order of their names. Throws as
 * `canonicalize` does: for half of a surrogate pair, for a circle, and for numbers that JSON has no word for.
 *
 * Nearly all content is what `JSON.parse` gives. The runtime writes such content, once it is sorted, in 0.4 of the time.
 */
export function canonicalJson(content: unknown): string {
  const sorted = sort(content, 0);
  if (sorted !== unusual) {
    const json = JSON.stringify(sorted);
    // The runtime writes half of a surrogate pair as an escape, which well-formed text may hold as well.
    if (!json.includes("\\ud")) return json;
  }
  return canonicalize(content) ?? "";
}

const unusual = Symbol("left to canonicalize");
// A stack ends and a circle does not; `canonicalize` knows both.
const levelsMax = 100;

/** Gives plain content with all members sorted, as it is or as a copy; `unusual` for any other content. */
function sort(value: unknown, level: number): unknown {
  if (typeof value === "string" || typeof value === "boolean" || value === null) return value;
  if (typeof value === "number") return Number.isFinite(value) ? value : unusual;
  if (typeof value !== "object" || level === levelsMax) return unusual;
  return Array.isArray(value) ? sortItems(value, level + 1) : sortMembers(value as Record<string, unknown>, level + 1);
}

function sortItems(list: readonly unknown[], level: number): unknown {
  let copy: unknown[] | undefined;
  for (let index = 0; index < list.length; index++) {
    const item = sort(list[index], level);
    if (item === unusual) return unusual;
    if (item !== list[index]) copy ??= list.slice();
    if (copy !== undefined) copy[index] = item;
  }
  return copy ?? list;
}

function sortMembers(object: Readonly<Record<string, unknown>>, level: number): unknown {
  const prototype: unknown = Object.getPrototypeOf(object);
  if (prototype !== Object.prototype && prototype !== null) return unusual;
  const names = Object.keys(object);
  // Names of digits come first in every object, and in the order of their numbers.
  if (names.length > 0 && (names[0] as string).charCodeAt(0) <= 0x39) return unusual;
  let copy: Record<string, unknown> | undefined = sortNames(names) ? {} : undefined;
  for (let index = 0; index < names.length; index++) {
    const name = names[index] as string;
    if (name === "__proto__") return unusual;
    const member = sort(object[name], level);
    if (member === unusual) return unusual;
    if (copy === undefined && member !== object[name]) copy = copyOf(object, names.slice(0, index));
    if (copy !== undefined) copy[name] = member;
  }
  return copy ?? object;
}

// Few names are sorted in their place in a third of the time that `sort` takes.
const fewNames = 16;

/** Sorts names by their UTF-16 code units. Gives whether that changed their order. */
function sortNames(names: string[]): boolean {
  let isChanged = false;
  for (let index = 1; index < names.length; index++) {
    const name = names[index] as string;
    if ((names[index - 1] as string) <= name) continue;
    isChanged = true;
    if (names.length > fewNames) {
      names.sort();
      break;
    }
    let at = index;
    for (; at > 0 && (names[at - 1] as string) > name; at--) names[at] = names[at - 1] as string;
    names[at] = name;
  }
  return isChanged;
}

function copyOf(object: Readonly<Record<string, unknown>>, names: readonly string[]): Record<string, unknown> {
  const copy: Record<string, unknown> = {};
  for (const name of names) copy[name] = object[name];
  return copy;
}
