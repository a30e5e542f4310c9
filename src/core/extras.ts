/**
 * What an order carries beside its data, results and history: text that stores keep and never look into. A value by
 * which a store must find orders (a group, a Region, a search field) is a column or a key of its own, and no extra.
 */
import { CauceError } from "./errors.ts";
import { describeJsonFault, jsonFault, utf8BytesOf } from "./json.ts";

/** Something that was done to an order from outside: an entry of its audit. */
export interface Act {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** The operation's name. Cut where it takes more than 100 bytes. */
  readonly what: string;
  /** The name of the API key that did it; null where none is known. Cut where it takes more than 300 bytes. */
  readonly who: string | null;
  /** Cut where it takes more than 1,500 bytes: 500 characters of any script fit. */
  readonly reason: string | null;
}

/** A field that would be empty is left out. A field that is not named here is a newer version's, and is kept. */
export interface Extras {
  /** The operators' acts, oldest first. */
  readonly acts?: readonly Act[];
  /** How many acts, all older than those in `acts`, were left out. */
  readonly actsOmitted?: number;
  /** The values of the handler's steps, by the steps' names. */
  readonly steps?: Readonly<Record<string, unknown>>;
  /** The version of the workflow's definition under which the order was placed. */
  readonly definition?: number;
}

/** The most bytes of UTF-8 that the text of one order's extras takes. */
export const extrasBytesMax = 8_192;

/**
 * How many of `extrasBytesMax` everything but acts must leave free, so that an operator's act always fits. The largest
 * act takes 100 + 300 + 1,500 bytes of text. Its keys, its time and the count of omitted acts take less than 148 more.
 */
export const actRoomBytes = 2_048;

/** How an order shows one of its extras. */
interface ShownExtra<Value = unknown> {
  /** The JSON Schema of the value. */
  readonly schema: Readonly<Record<string, unknown>>;
  readonly of: (extras: Extras) => Value;
}

export type ShownExtraFields = Readonly<Record<string, ShownExtra>>;

/** The extras that an order shows, as further fields of `Order`. None yet. */
export type ShownExtras = Readonly<Record<never, never>>;

/**
 * How an order shows each field of `ShownExtras`. From this list follow the library's `Order`, the API's JSON and its
 * OpenAPI document, which have each field behind `historyOmitted`.
 */
export const shownExtraFields: { readonly [Name in keyof ShownExtras]: ShownExtra<ShownExtras[Name]> } = {};

/** Gives the fields that an order shows of its stored extras. */
export function showExtras(text: string | null, fields: ShownExtraFields = shownExtraFields): ShownExtras {
  const names = Object.keys(fields);
  // Without a field to show, no text is parsed.
  if (names.length === 0) return {} as ShownExtras;
  const extras = parseExtras(text);
  const shown: unknown = Object.fromEntries(names.map((name) => [name, (fields[name] as ShownExtra).of(extras)]));
  return shown as ShownExtras;
}

/** Parses the stored text. Throws `store_corrupt` for text that `writeExtras` did not give. */
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

/** Gives the text to store; null where there is nothing to keep. */
export function writeExtras(extras: Extras): string | null {
  const { acts, steps } = extras;
  const text = JSON.stringify({
    ...extras,
    ...(acts?.length === 0 ? { acts: undefined } : {}),
    ...(steps !== undefined && Object.keys(steps).length === 0 ? { steps: undefined } : {}),
  });
  return text === "{}" ? null : text;
}

/** Adds an act, and never refuses it. Where there is no room, the oldest acts are omitted and counted. */
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
 * Adds the value of a step, as JSON keeps it: undefined becomes null. Where there is no room, the oldest acts are
 * omitted. Refuses with `limit_exceeded` a value that would leave no room for an act, and with `invalid_results` a value
 * that JSON would lose.
 */
export function withStep(
  extras: Extras,
  name: string,
  value: unknown,
): { readonly extras: Extras } | { readonly refused: "limit_exceeded" | "invalid_results"; readonly message: string } {
  const shownName = JSON.stringify(cut(name, 100));
  const fault = value === undefined ? undefined : jsonFault(value);
  if (fault !== undefined) {
    return { refused: "invalid_results", message: describeJsonFault(`the value of step ${shownName}`, fault) };
  }
  const json: string | undefined = JSON.stringify(value);
  const steps = { ...extras.steps, [name]: JSON.parse(json ?? "null") as unknown };
  const { acts: _, actsOmitted: __, ...others } = extras;
  const bytesMax = extrasBytesMax - actRoomBytes;
  const bytes = bytesOf({ ...others, steps });
  if (bytes > bytesMax) {
    const what = `with step ${shownName} the order's extras would take ${bytes} bytes, and may take ${bytesMax}`;
    return { refused: "limit_exceeded", message: `${what}; keep less, such as the key of what is stored elsewhere` };
  }
  return { extras: withoutOldest({ ...extras, steps }) };
}

/** Omits acts, the oldest first, until the text fits. The newest act stays: see `actRoomBytes`. */
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

/** Cuts a text so that it takes at most `bytesMax` in JSON. Splits no character. */
function cut(text: string, bytesMax: number): string {
  // JSON escapes a UTF-16 unit with at most six bytes.
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
