import { clearLine, cursorTo } from "node:readline";
import { SingleBar } from "cli-progress";
import type { Output } from "../output.ts";

/** Shows how far an import is. */
export interface Meter {
  update(bytes: number, counts: Counts): void;
  /** A line of its own, above the bar. */
  note(text: string): void;
  stop(): void;
}

export interface MeterOptions {
  readonly output: Output;
  /** Where a bar can be drawn; undefined for lines every few seconds. */
  readonly terminal: NodeJS.WriteStream | undefined;
  /** Undefined where nobody knows: no bar. */
  readonly totalBytes: number | undefined;
  readonly start: { readonly bytes: number; readonly lines: number };
}

const lineSeconds = 5;

export function createMeter(options: MeterOptions): Meter {
  const { output, terminal, totalBytes, start } = options;
  const startedAt = performance.now();
  const rate = (lines: number) => (lines - start.lines) / Math.max((performance.now() - startedAt) / 1_000, 0.001);
  const number = (value: number) => Math.round(value).toLocaleString("en");

  if (terminal !== undefined && totalBytes !== undefined) {
    const bar = new SingleBar({
      stream: terminal,
      format: "{bar} {percentage} % | {lines} lines, {refused} refused | {rate} a second | {left} left",
      barCompleteChar: "█",
      barIncompleteChar: "░",
      barsize: 24,
      etaBuffer: 100,
      gracefulExit: false,
      // Whatever ends the process, the cursor is there.
      hideCursor: null,
    });
    bar.start(totalBytes, start.bytes, { lines: number(start.lines), refused: 0, rate: "–", left: "–" });
    return {
      update(bytes, { lines, refused }) {
        // Nothing has been taken yet: a rate of 0 would leave days to go.
        if (bytes === start.bytes) return;
        const perSecond = (bytes - start.bytes) / Math.max((performance.now() - startedAt) / 1_000, 0.001);
        const left = timeOf((totalBytes - bytes) / Math.max(perSecond, 1));
        bar.update(bytes, { lines: number(lines), refused: number(refused), rate: number(rate(lines)), left });
      },
      note(text) {
        cursorTo(terminal, 0);
        clearLine(terminal, 0);
        terminal.write(`${text}\n`);
      },
      stop: () => bar.stop(),
    };
  }

  let shownAt = startedAt;
  return {
    update(bytes, { lines, placed, repeated, refused }) {
      if (performance.now() - shownAt < lineSeconds * 1_000) return;
      shownAt = performance.now();
      const part = totalBytes === undefined ? "" : ` (${Math.floor((100 * bytes) / totalBytes)} %)`;
      const counts = `${number(placed)} placed, ${number(repeated)} repeated, ${number(refused)} refused`;
      output.err(`${number(lines)} lines${part}: ${counts}; ${number(rate(lines))} a second\n`);
    },
    note: (text) => output.err(`${text}\n`),
    stop: () => {},
  };
}

function timeOf(seconds: number): string {
  const whole = Math.round(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

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
