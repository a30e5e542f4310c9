/** What came of the lines so far, over all runs of an import. */
export interface Counts {
  readonly placed: number;
  readonly repeated: number;
  readonly refused: number;
  /** Lines that are not empty: the sum of the others. */
  readonly lines: number;
  readonly seconds: number;
}

export function describeCounts({ placed, repeated, refused, lines, seconds }: Counts): string {
  const number = (value: number) => value.toLocaleString("en");
  const rate = number(Math.round(lines / Math.max(seconds, 0.001)));
  return `${number(lines)} lines: ${number(placed)} placed, ${number(repeated)} repeated, ${number(refused)} refused, in ${seconds.toFixed(1)} s (${rate} a second)`;
}
