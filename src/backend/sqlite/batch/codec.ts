import { CauceError } from "../../../core/errors.ts";

/**
 * Operations on their way to the writer: all numbers in one Float64Array and all text in one string, with each
 * string's length among the numbers. Handing that over is two copies of memory. An array with as many fields costs a
 * tag and a branch for each field on both sides, about ten times as much (measured with batches of 150 operations).
 */
export interface Packed {
  readonly numbers: Float64Array;
  readonly text: string;
}

/** What one field holds. A null is a NaN among the numbers, whatever the field's type: no field is ever NaN. */
export type FieldValue = string | number | null;

const none = Number.NaN;

export type Encoder = ReturnType<typeof createEncoder>;

export function createEncoder() {
  let numbers = new Float64Array(4_096);
  let used = 0;
  let text = "";
  let markedUsed = 0;
  let markedText = "";

  const number = (value: number | null): void => {
    if (used === numbers.length) {
      const larger = new Float64Array(numbers.length * 2);
      larger.set(numbers);
      numbers = larger;
    }
    numbers[used++] = value ?? none;
  };
  const put = (value: string | null): void => {
    number(value?.length ?? none);
    if (value !== null) text += value;
  };

  return {
    number,
    text: put,
    /** Writes a number or a text, by its type. */
    value: (value: FieldValue): void => (typeof value === "string" ? put(value) : number(value)),
    /** Says that an operation begins here. */
    mark(): void {
      markedUsed = used;
      markedText = text;
    },
    /** Takes back what was written since the mark: an operation is written whole or not at all. */
    rewind(): void {
      used = markedUsed;
      text = markedText;
    },
    /** How many characters the text has by now. */
    textLength: (): number => text.length,
    /** Gives everything written since the last time, and starts again. */
    take(): Packed {
      const packed = { numbers: numbers.slice(0, used), text };
      used = 0;
      text = "";
      markedUsed = 0;
      markedText = "";
      return packed;
    },
  };
}

export type Decoder = ReturnType<typeof createDecoder>;

/**
 * A copy of a short text that may be kept. What a decoder gives is a view of the whole batch's text: keeping an order's
 * group would keep the batch with it.
 */
export function detached(text: string): string {
  return ` ${text}`.slice(1);
}

export function createDecoder({ numbers, text }: Packed) {
  let at = 0;
  let textAt = 0;
  const next = (): number => numbers[at++] as number;
  const cut = (length: number): string => text.slice(textAt, (textAt += length));
  return {
    // Not a getter: one in a literal keeps all that the decoder sees alive (decision 0007).
    done: (): boolean => at >= numbers.length,
    /** Throws unless all numbers and all text have been read, and no more: what was read may be shifted. */
    checkEnd(): void {
      if (at === numbers.length && textAt === text.length) return;
      const read = `${at} of ${numbers.length} numbers and ${textAt} of ${text.length} characters were read`;
      throw new CauceError("internal_error", `a batch does not fit its operations: ${read}; report this`);
    },
    number: next,
    numberOrNull(): number | null {
      const value = next();
      return Number.isNaN(value) ? null : value;
    },
    text: (): string => cut(next()),
    textOrNull(): string | null {
      const length = next();
      return Number.isNaN(length) ? null : cut(length);
    },
    /** Reads one field after another, each a text or a number as `areText` says, or null. */
    values(areText: readonly boolean[]): FieldValue[] {
      const values: FieldValue[] = [];
      for (let field = 0; field < areText.length; field++) {
        const value = next();
        values.push(Number.isNaN(value) ? null : areText[field] ? cut(value) : value);
      }
      return values;
    },
  };
}
