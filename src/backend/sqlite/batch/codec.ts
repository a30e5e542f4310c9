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
    /** Gives everything written since the last time, and starts again. */
    take(): Packed {
      const packed = { numbers: numbers.slice(0, used), text };
      used = 0;
      text = "";
      return packed;
    },
    get empty(): boolean {
      return used === 0;
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
