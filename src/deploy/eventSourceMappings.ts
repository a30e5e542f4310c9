import { accountConcurrencyDefault, batchMax, concurrencyDefault, concurrencyMin } from "../backend/aws/quotas.ts";
import { CauceError } from "../core/errors.ts";
import { type AnyWorkflow, handledStatus, handledStatuses } from "../core/workflow.ts";

/** How an event source mapping hands over the messages of a queue. */
export interface MappingLimits {
  /** How many messages one invocation takes. It runs their handlers side by side. */
  readonly batchSize: number;
  /** How many invocations the mapping runs at once, at most. */
  readonly concurrencyMost: number;
}

/** What brings a queue's messages to a function. */
export interface SourcePlan extends MappingLimits {
  readonly status: string;
  readonly queue: string;
  readonly function: string;
}

/** The share of the account's concurrency that is left to requests and the sweep, so that long queues do not stop intake. */
const shareOfRequests = 0.25;

/**
 * Works out the limits of each handled status. A status's `concurrency` is the size of a batch times the number of batches
 * at once. A batch takes up to 10 messages, and no more than leave room for two batches at once. All statuses together
 * leave the request function its share of the account. Throws `setting_invalid` if not even two invocations for each
 * status fit.
 */
export function mappingLimits(
  workflow: AnyWorkflow,
  accountConcurrency = accountConcurrencyDefault,
): ReadonlyMap<string, MappingLimits> {
  const wanted = handledStatuses(workflow).map((status) => {
    const { concurrency = concurrencyDefault } = handledStatus(workflow, status);
    const batchSize = Math.max(1, Math.min(batchMax, Math.floor(concurrency / concurrencyMin)));
    return { status, batchSize, concurrency: Math.max(concurrencyMin, Math.floor(concurrency / batchSize)) };
  });
  const room = Math.floor(accountConcurrency * (1 - shareOfRequests));
  const min = wanted.length * concurrencyMin;
  if (min > room) {
    throw new CauceError(
      "setting_invalid",
      `workflow "${workflow.name}": ${wanted.length} queues need ${min} functions at once and an account of ${accountConcurrency} leaves them ${room}; ask AWS for a higher quota of concurrent executions, or merge statuses`,
    );
  }
  // If the statuses ask for more than there is room for, what each has above the minimum shrinks in proportion.
  const asked = wanted.reduce((sum, { concurrency }) => sum + concurrency, 0);
  const [spare, above] = asked > room ? [room - min, asked - min] : [1, 1];
  return new Map(
    wanted.map(({ status, batchSize, concurrency }) => {
      const concurrencyMost = concurrencyMin + Math.floor(((concurrency - concurrencyMin) * spare) / above);
      return [status, { batchSize, concurrencyMost }];
    }),
  );
}
