import { accountConcurrencyDefault, batchMax, concurrencyMin } from "../backend/aws/quotas.ts";
import { CauceError } from "../core/errors.ts";

/** What brings a queue's messages to a function. */
export interface SourcePlan {
  readonly status: string;
  readonly queue: string;
  readonly function: string;
  readonly batchSize: number;
  /** How many invocations of it run at once, at most. */
  readonly concurrencyMost: number;
}

export interface SourcesOptions {
  readonly workflow: string;
  /** How many handlers of a status may run at once, over the whole deployment. */
  readonly concurrencyOf: (status: string) => number | undefined;
  /** How many functions the account runs at once. Default 1,000. */
  readonly accountConcurrency: number | undefined;
  readonly queueOf: (status: string) => string;
  readonly functionOf: (status: string) => string;
}

const concurrencyDefault = 100;
/** Of the account's functions, what is left to requests and the sweep: a long queue must not keep orders from being taken in. */
const shareOfRequests = 0.25;

/**
 * An invocation runs a batch's handlers side by side, so a status's `concurrency` is its batches' size times how many
 * run at once: as large batches as that leaves two of. All together leave the request function its share of the account.
 * Throws `setting_invalid` where not even the least of each fits.
 */
export function sourcesOf(statuses: readonly string[], options: SourcesOptions): SourcePlan[] {
  const { workflow, accountConcurrency = accountConcurrencyDefault } = options;
  const wanted = statuses.map((status): SourcePlan => {
    const concurrency = options.concurrencyOf(status) ?? concurrencyDefault;
    const batchSize = Math.max(1, Math.min(batchMax, Math.floor(concurrency / concurrencyMin)));
    return {
      status,
      queue: options.queueOf(status),
      function: options.functionOf(status),
      batchSize,
      concurrencyMost: Math.max(concurrencyMin, Math.floor(concurrency / batchSize)),
    };
  });
  const room = Math.floor(accountConcurrency * (1 - shareOfRequests));
  const asked = wanted.reduce((sum, { concurrencyMost }) => sum + concurrencyMost, 0);
  if (asked <= room) return wanted;
  if (wanted.length * concurrencyMin > room) {
    throw new CauceError(
      "setting_invalid",
      `workflow "${workflow}": ${wanted.length} queues need ${wanted.length * concurrencyMin} functions at once and an account of ${accountConcurrency} leaves them ${room}; ask AWS for a higher quota of concurrent executions, or merge statuses`,
    );
  }
  // What is above the least of each shrinks in proportion.
  const spare = room - wanted.length * concurrencyMin;
  const above = asked - wanted.length * concurrencyMin;
  return wanted.map((source) => ({
    ...source,
    concurrencyMost: concurrencyMin + Math.floor(((source.concurrencyMost - concurrencyMin) * spare) / above),
  }));
}
