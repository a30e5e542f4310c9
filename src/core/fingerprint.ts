/**
 * Takes ids and numbers out of a message, so that the same fault has one fingerprint. Quoted values, words with digits
 * in them (ids, numbers, times) and long hex strings become `…`. The rest is cut to 200 characters.
 */
export function fingerprintOf(message: string): string {
  return message
    .slice(0, 1_000)
    .replace(/"[^"]*"|(?<!\w)'[^']*'(?!\w)|`[^`]*`/g, "…")
    .replace(/[\w-]*\d[\w-]*(?:[.,:/][\w-]*\d[\w-]*)*|\b[0-9a-f]{16,}\b/gi, "…")
    .replace(/\s+/g, " ")
    .trim()
    .slice(0, 200)
    .toWellFormed();
}

const errorBytesMax = 1_024;

/** Cuts a message to 1 KB of UTF-8 without splitting a character. */
export function cutError(message: string): string {
  if (message.length * 3 <= errorBytesMax) return message;
  const bytes = Buffer.from(message, "utf8");
  if (bytes.length <= errorBytesMax) return message;
  let end = errorBytesMax - 3;
  while (end > 0 && ((bytes[end] as number) & 0xc0) === 0x80) end--;
  return `${bytes.toString("utf8", 0, end)}…`;
}
