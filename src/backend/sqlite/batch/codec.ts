/**
 * Operations on their way to the writer: all numbers in one Float64Array and all text in one string, with each
 * string's length among the numbers. Handing that over is two copies of memory; an array with as many fields costs a
 * tag and a branch for each on both sides, about ten times as much (measured with batches of 150 operations).
 */
export interface Packed {
  readonly numbers: Float64Array;
  readonly text: string;
}

/** A null among the numbers; no field is ever NaN. As the length of a string: no string. */
const none = Number.NaN;

export interface Encoder {
  number(value: number | null): void;
  text(value: string | null): void;
  /** Everything written since the last time, and starts anew. */
  take(): Packed;
  readonly empty: boolean;
}

export function createEncoder(): Encoder {
  let numbers = new Float64Array(4_096);
  let used = 0;
  let text = "";

  const push = (value: number) => {
    if (used === numbers.length) {
      const larger = new Float64Array(numbers.length * 2);
      larger.set(numbers);
      numbers = larger;
    }
    numbers[used++] = value;
  };

  return {
    number: (value) => push(value ?? none),
    text(value) {
      push(value?.length ?? none);
      if (value !== null) text += value;
    },
    take() {
      const packed = { numbers: numbers.slice(0, used), text };
      used = 0;
      text = "";
      return packed;
    },
    get empty() {
      return used === 0;
    },
  };
}

export interface Decoder {
  done(): boolean;
  /** A number that is never null. */
  number(): number;
  numberOrNull(): number | null;
  text(): string;
  textOrNull(): string | null;
}

/**
 * A copy of a short text that somebody may keep. What a decoder gives is a view of the whole batch's text, and whoever
 * keeps an order's id would keep the batch with it.
 */
export function detached(text: string): string {
  return ` ${text}`.slice(1);
}

export function createDecoder({ numbers, text }: Packed): Decoder {
  let at = 0;
  let textAt = 0;
  const next = () => numbers[at++] as number;
  const cut = (length: number) => text.slice(textAt, (textAt += length));
  return {
    // Not a getter: one in a literal keeps all that the decoder sees alive (decision 0007).
    done: () => at >= numbers.length,
    number: next,
    numberOrNull() {
      const value = next();
      return Number.isNaN(value) ? null : value;
    },
    text: () => cut(next()),
    textOrNull() {
      const length = next();
      return Number.isNaN(length) ? null : cut(length);
    },
  };
}
