/**
 * What an order carries beside its data, results and history: text that stores keep and never look into. What a store
 * must find orders by (a group, a Region, a search field) is a column or a key of its own, and no extra.
 */
import { CauceError } from "./errors.ts";

/** Something that was done to an order from outside: an entry of its audit. */
export interface Act {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** The operation's name. Cut where it takes more than 100 bytes. */
  readonly what: string;
  /** Who did it: the name of an API key. Null where nothing tells. Cut where it takes more than 300 bytes. */
  readonly who: string | null;
  /** Cut where it takes more than 1,500 bytes: 500 characters of any script fit. */
  readonly reason: string | null;
}

/** Each field is left out where it holds nothing. A field that is not named here is a newer version's, and is kept. */
export interface Extras {
  /** The operators' acts, oldest first. */
  readonly acts?: readonly Act[];
  /** How many acts, all older than those in `acts`, were left out. */
  readonly actsOmitted?: number;
  /** What the handler's steps have come to, by their names. */
  readonly steps?: Readonly<Record<string, unknown>>;
  /** The version of the workflow's definition under which the order was placed. */
  readonly definition?: number;
}

/** The most that the extras of one order take, in bytes of UTF-8 of their text. */
export const extrasBytesMax = 8_192;

/**
 * What all that is no act leaves free of `extrasBytesMax`, so that an operator's act always fits: the largest act takes
 * 100 + 300 + 1,500 bytes of text, and its keys, its time and the count of those left out take less than 148 more.
 */
export const actRoomBytes = 2_048;

/** How an order shows one of its extras. */
export interface ShownExtra<Value = unknown> {
  /** The JSON Schema of the value. */
  readonly schema: Readonly<Record<string, unknown>>;
  readonly of: (extras: Extras) => Value;
}

export type ShownExtraFields = Readonly<Record<string, ShownExtra>>;

/** What an order shows of its extras: the fields that `Order` has beside its own. None yet. */
export type ShownExtras = Readonly<Record<never, never>>;

/**
 * How an order shows each field of `ShownExtras`. The library's `Order`, the API's JSON and its OpenAPI document follow
 * from this list, each field behind `historyOmitted`.
 */
export const shownExtraFields: { readonly [Name in keyof ShownExtras]: ShownExtra<ShownExtras[Name]> } = {};

/** The fields that an order shows of its stored extras. */
export function showExtras(text: string | null, fields: ShownExtraFields = shownExtraFields): ShownExtras {
  const names = Object.keys(fields);
  // Most orders have no extras, and no text is read for a field that is not shown.
  if (names.length === 0) return {} as ShownExtras;
  const extras = parseExtras(text);
  const shown: unknown = Object.fromEntries(names.map((name) => [name, (fields[name] as ShownExtra).of(extras)]));
  return shown as ShownExtras;
}

/** Reads the stored text. Throws `store_corrupt` where it is none that `writeExtras` gave. */
export function parseExtras(text: string | null): Extras {
  if (text === null) return {};
  try {
    const extras: unknown = JSON.parse(text);
    if (typeof extras === "object" && extras !== null && !Array.isArray(extras)) return extras;
    throw new TypeError("it is no object");
  } catch (cause) {
    throw new CauceError("store_corrupt", "an order's extras are no JSON object; restore the store from a backup", {
      cause,
    });
  }
}

/** The text to store; null where there is nothing to keep. */
export function writeExtras(extras: Extras): string | null {
  const { acts, steps } = extras;
  const text = JSON.stringify({
    ...extras,
    ...(acts?.length === 0 ? { acts: undefined } : {}),
    ...(steps !== undefined && Object.keys(steps).length === 0 ? { steps: undefined } : {}),
  });
  return text === "{}" ? null : text;
}

/** Adds an act. It is never refused: the oldest acts go where there is no room, and are counted. */
export function withAct(extras: Extras, { at, what, who, reason }: Act): Extras {
  const act: Act = {
    at,
    what: cut(what, 100),
    who: who === null ? null : cut(who, 300),
    reason: reason === null ? null : cut(reason, 1_500),
  };
  return withoutOldest({ ...extras, acts: [...(extras.acts ?? []), act] });
}

/**
 * Adds what a step has come to, as it reads from JSON; undefined becomes null. The oldest acts go where there is no
 * room. Refuses with `limit_exceeded` what would leave no room for an act.
 */
export function withStep(
  extras: Extras,
  name: string,
  value: unknown,
): { readonly extras: Extras } | { readonly refused: "limit_exceeded"; readonly message: string } {
  const json: string | undefined = JSON.stringify(value);
  const steps = { ...extras.steps, [name]: JSON.parse(json ?? "null") as unknown };
  const { acts: _, actsOmitted: __, ...others } = extras;
  const bytesMax = extrasBytesMax - actRoomBytes;
  const bytes = bytesOf({ ...others, steps });
  if (bytes > bytesMax) {
    const step = JSON.stringify(cut(name, 100));
    const what = `with step ${step} the order's extras would take ${bytes} bytes, and may take ${bytesMax}`;
    return { refused: "limit_exceeded", message: `${what}; keep less, such as the key of what is stored elsewhere` };
  }
  return { extras: withoutOldest({ ...extras, steps }) };
}

/** Leaves out acts, oldest first, until the text fits. The newest act stays: see `actRoomBytes`. */
function withoutOldest(extras: Extras): Extras {
  let { acts = [], actsOmitted = 0 } = extras;
  let kept = extras;
  while (acts.length > 1 && bytesOf(kept) > extrasBytesMax) {
    acts = acts.slice(1);
    actsOmitted++;
    kept = { ...extras, acts, actsOmitted };
  }
  return kept;
}

function bytesOf(extras: Extras): number {
  return utf8BytesOf(JSON.stringify(extras));
}

/** Cuts a text to so many bytes as it stands in JSON, without splitting a character. */
function cut(text: string, bytesMax: number): string {
  // JSON escapes a UTF-16 unit with six bytes at most.
  if (text.length * 6 <= bytesMax || jsonBytesOf(text) <= bytesMax) return text;
  let kept = "";
  let bytes = utf8BytesOf("…");
  for (const character of text) {
    bytes += jsonBytesOf(character);
    if (bytes > bytesMax) break;
    kept += character;
  }
  return `${kept}…`;
}

function jsonBytesOf(text: string): number {
  return utf8BytesOf(JSON.stringify(text)) - 2;
}

/** Without Node's `Buffer`: the typed client's types lead here, and they must compile for a browser. */
function utf8BytesOf(text: string): number {
  return new TextEncoder().encode(text).byteLength;
}
