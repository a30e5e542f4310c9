import { setTimeout as delay } from "node:timers/promises";
import { CauceError } from "../../core/errors.ts";
import type { Row } from "./row.ts";
import type { Answer, Sender } from "./sender.ts";

export interface DeliverOptions {
  readonly sender: Sender;
  readonly stop: AbortSignal;
  /** For how long it tries without an answer to any line. */
  readonly retrySeconds: number;
  /** Told of what holds it up, once until it goes on. */
  readonly onTrouble: (what: string) => void;
  /** Told after rows came to an outcome. */
  readonly onOutcomes: () => void;
}

const firstWaitMilliseconds = 100;
const longestWaitMilliseconds = 2_000;

/**
 * Sends rows until each has an outcome, or until it is stopped. What a broken connection left open and what the server
 * could not store is sent again, with the same keys. Rejects with `unreachable`, or as the sender does.
 */
export async function deliver(rows: readonly Row[], options: DeliverOptions): Promise<void> {
  const { sender, stop, retrySeconds, onTrouble, onOutcomes } = options;
  let open = rows.filter(({ outcome }) => outcome === undefined);
  let answeredAt = performance.now();
  let waitMilliseconds = firstWaitMilliseconds;
  let trouble: string | undefined;
  // Rows may all have been refused without asking the server.
  onOutcomes();
  while (open.length > 0 && !stop.aborted) {
    const sending = open;
    let unavailable: string | undefined;
    const onAnswer = (index: number, answer: Answer): void => {
      const row = sending[index];
      if (row === undefined) return;
      if (answer.status === 503) {
        unavailable = answer.problem?.detail ?? "status 503";
        return;
      }
      row.outcome = outcomeOf(answer);
      answeredAt = performance.now();
      waitMilliseconds = firstWaitMilliseconds;
    };
    const { broken } = await sender.send({
      bodies: sending.map(({ body }) => body),
      stop,
      onAnswer,
      onAnswers: onOutcomes,
    });
    open = sending.filter(({ outcome }) => outcome === undefined);
    if (open.length === 0 || stop.aborted) break;
    const what = broken ?? unavailable ?? "a line was not answered";
    if (performance.now() - answeredAt > retrySeconds * 1_000) {
      throw new CauceError("unreachable", `no line was taken for ${retrySeconds} s (${what}); see to the server`);
    }
    if (trouble !== what) onTrouble(what);
    trouble = what;
    await delay(waitMilliseconds, undefined, { signal: stop }).catch(() => {});
    waitMilliseconds = Math.min(2 * waitMilliseconds, longestWaitMilliseconds);
  }
}

function outcomeOf({ status, problem }: Answer): NonNullable<Row["outcome"]> {
  if (status === 202) return "placed";
  if (status === 200) return "repeated";
  return problem ?? { code: "internal_error", detail: `the server answered ${status}` };
}
