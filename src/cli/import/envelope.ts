import type { Prepared } from "./row.ts";

/** Makes what is sent of a line's text and its key. */
export type Envelope = (text: string, key: string) => Prepared;

/**
 * A line that is the data itself. It is put into the envelope as it stands, so it is parsed here only to be sure that it
 * is one value: `1},"data":{}` would otherwise end the envelope and begin another.
 */
export const dataEnvelope: Envelope = (text, key) => {
  const parsed = parse(text);
  return "problem" in parsed ? parsed : { body: sealed(text, key) };
};

/** JSON that is known to be one value, in its envelope. */
export function sealed(json: string, key: string): string {
  return `{"idempotencyKey":"${key}","data":${json}}`;
}

/** A line that is an envelope; it gets a key where it has none. Whatever else is wrong with it the server says. */
export const ownEnvelope: Envelope = (text, key) => {
  const parsed = parse(text);
  if ("problem" in parsed) return parsed;
  const { value } = parsed;
  const lacksKey =
    value !== null && typeof value === "object" && !Array.isArray(value) && !Object.hasOwn(value, "idempotencyKey");
  if (!lacksKey || Object.keys(value).length === 0) return { body: text };
  return { body: `{"idempotencyKey":"${key}",${text.slice(text.indexOf("{") + 1)}` };
};

function parse(text: string): { value: unknown } | Exclude<Prepared, { body: string }> {
  try {
    return { value: JSON.parse(text) };
  } catch (error) {
    return { problem: { code: "invalid_json", detail: `the line is not JSON: ${(error as Error).message}` } };
  }
}
