type Parsed<T> = { readonly value: T } | { readonly fault: string };

/** One setting: its flag, its variable, its default and what it means. The command line and the docs follow from these. */
export interface Setting<T = unknown, Default extends string | null = string | null> {
  /** As commander takes it, such as `--port <number>`; null where only the variable exists. */
  readonly flag: string | null;
  readonly variable: string;
  /** As text, parsed like any other value; null for none. */
  readonly default: Default;
  readonly meaning: string;
  /** Never repeated in an error. */
  readonly secret?: true;
  /** The flag may be given several times, which is the same as its values with commas between them. */
  readonly repeatable?: true;
  parse(text: string): Parsed<T>;
}

export function setting<T, Default extends string | null>(definition: Setting<T, Default>): Setting<T, Default> {
  return definition;
}

export function wholeNumber(least: number, most: number) {
  const range = most === Number.MAX_SAFE_INTEGER ? `from ${least}` : `from ${least} to ${most}`;
  return (value: string): Parsed<number> => {
    const number = Number(value);
    return /^\d+$/.test(value) && number >= least && number <= most
      ? { value: number }
      : { fault: `a whole number ${range}` };
  };
}

export const retentionDays = wholeNumber(1, 36_500);

export function text(pattern: RegExp, what: string) {
  return (value: string): Parsed<string> => (pattern.test(value) ? { value } : { fault: what });
}

export const stage = text(/^[A-Za-z0-9-]{1,32}$/, "1 to 32 letters, digits and hyphens");

export const topicArn = text(
  /^arn:[a-z-]+:sns:[a-z0-9-]+:\d{12}:[\w-]+(\.fifo)?$/,
  "a topic's ARN such as arn:aws:sns:eu-west-1:123456789012:orders-topic-dev",
);

export const queueUrlBase = text(
  /^https?:\/\/\S+\/$/,
  "an address that ends in /, such as https://sqs.eu-west-1.amazonaws.com/123456789012/",
);

export function oneOf<const T extends string>(...values: readonly T[]) {
  return (value: string): Parsed<T> => {
    const found = values.find((known) => known === value);
    return found === undefined ? { fault: values.join(" or ") } : { value: found };
  };
}

export function statuses(value: string): Parsed<readonly string[]> {
  const names = value.split(",").map((name) => name.trim());
  return names.every((name) => /^[a-z][A-Za-z0-9]{0,39}$/.test(name))
    ? { value: names }
    : { fault: "names of statuses, separated by commas" };
}
