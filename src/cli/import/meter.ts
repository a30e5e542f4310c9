/** Shows how far an import is: a bar on a terminal, a line every few seconds elsewhere. */
import { clearLine, cursorTo } from "node:readline";
import { SingleBar } from "cli-progress";
import type { Output } from "../output.ts";
import type { ImportResult } from "./files.ts";

const lineMilliseconds = 5_000;

/** Makes a meter. It draws a bar if there is a terminal and the input's size is known. */
export function createMeter(
  { output, terminal }: { readonly output: Output; readonly terminal: NodeJS.WriteStream | undefined },
  totalBytes: number | undefined,
  { ...start }: ImportResult,
) {
  const startedAt = performance.now();
  const perSecond = (amount: number) => amount / Math.max((performance.now() - startedAt) / 1_000, 0.001);
  const rateOf = (result: ImportResult) => number(perSecond(countLines(result) - countLines(start)));

  if (terminal !== undefined && totalBytes !== undefined) {
    const bar = new SingleBar({
      stream: terminal,
      format: "{bar} {percentage} % | {lines} lines, {refused} refused | {rate} a second | {left} left",
      barCompleteChar: "█",
      barIncompleteChar: "░",
      barsize: 24,
      gracefulExit: false,
      // The cursor stays visible, so that it is there however the process ends.
      hideCursor: null,
    });
    bar.start(totalBytes, start.bytes, { lines: number(countLines(start)), refused: 0, rate: "–", left: "–" });
    return {
      update(result: ImportResult): void {
        // Nothing has been taken yet: a rate of 0 would leave days to go.
        if (result.bytes === start.bytes) return;
        const secondsLeft = (totalBytes - result.bytes) / Math.max(perSecond(result.bytes - start.bytes), 1);
        bar.update(result.bytes, {
          lines: number(countLines(result)),
          refused: number(result.refused),
          rate: rateOf(result),
          left: describeSeconds(secondsLeft),
        });
      },
      /** Writes a line of its own, above the bar. */
      note(text: string): void {
        cursorTo(terminal, 0);
        clearLine(terminal, 0);
        terminal.write(`${text}\n`);
      },
      stop: (): void => bar.stop(),
    };
  }

  let shownAt = startedAt;
  return {
    update(result: ImportResult): void {
      if (performance.now() - shownAt < lineMilliseconds) return;
      shownAt = performance.now();
      const part = totalBytes === undefined ? "" : ` (${Math.floor((100 * result.bytes) / totalBytes)} %)`;
      output.err(`${number(countLines(result))} lines${part}: ${describeParts(result)}; ${rateOf(result)} a second\n`);
    },
    note: (text: string): void => output.err(`${text}\n`),
    stop: (): void => {},
  };
}

/** How many lines have a result. Empty lines are none. */
export function countLines({ placed, repeated, refused }: ImportResult): number {
  return placed + repeated + refused;
}

/** Says in one line what came of an import. */
export function describeResult(result: ImportResult): string {
  const { seconds } = result;
  const lines = countLines(result);
  const rate = number(lines / Math.max(seconds, 0.001));
  return `${number(lines)} lines: ${describeParts(result)}, in ${seconds.toFixed(1)} s (${rate} a second)`;
}

function describeParts({ placed, repeated, refused }: ImportResult): string {
  return `${number(placed)} placed, ${number(repeated)} repeated, ${number(refused)} refused`;
}

function describeSeconds(seconds: number): string {
  const whole = Math.round(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

function number(value: number): string {
  return Math.round(value).toLocaleString("en");
}
