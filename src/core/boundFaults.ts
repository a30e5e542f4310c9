import type { Fault } from "./errors.ts";
import { utf8BytesOf } from "./json.ts";

/** Faults as an answer shows them. */
export interface ShownFaults {
  readonly errors?: readonly Fault[] | undefined;
  /** How many further faults there are. Undefined: none. */
  readonly errorsOmitted?: number | undefined;
}

const faultsMax = 100;
const pathCharactersMax = 200;
const messageCharactersMax = 300;
/** The longest sentence of an answer, in characters. It may quote what a client sent. */
export const detailCharactersMax = 600;

/**
 * Gives the faults that an answer shows: the first 100, each with at most 200 characters of its path and 300 of its
 * message, and no more than take `bytesMax` as JSON. A schema finds a fault in each item of a list, so the answer would
 * else be many times as long as the question.
 */
export function boundFaults(faults: readonly Fault[] | undefined, bytesMax: number): ShownFaults {
  if (faults === undefined) return {};
  const errors: Fault[] = [];
  // The brackets, the names of both members, and the number.
  let bytes = 50;
  for (const { path, message } of faults.slice(0, faultsMax)) {
    const fault = { path: cutText(path, pathCharactersMax), message: cutText(message, messageCharactersMax) };
    bytes += utf8BytesOf(JSON.stringify(fault)) + 1;
    if (bytes > bytesMax) break;
    errors.push(fault);
  }
  const left = faults.length - errors.length;
  return { errors, ...(left === 0 ? undefined : { errorsOmitted: left }) };
}

/** Cuts text to so many characters, the last of which is `…` then. Never between the halves of a surrogate pair. */
export function cutText(text: string, charactersMax: number): string {
  if (text.length <= charactersMax) return text;
  const cut = text.slice(0, charactersMax - 1);
  return `${/[\ud800-\udbff]$/.test(cut) ? cut.slice(0, -1) : cut}…`;
}
