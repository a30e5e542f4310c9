export interface Batcher<In, Out> {
  /** Joins the next call. */
  add(item: In): Promise<Out>;
  /**
   * Says that an item may be added soon: the next call waits for it, for a few milliseconds at most. The function that
   * it returns says that it has been added, or never will be.
   */
  expect(): () => void;
}

export interface BatcherOptions<In, Out> {
  /** How many items one call takes. */
  readonly max: number;
  /** One call. Resolves to an result for each item, in order; what it rejects with goes to every item. */
  readonly send: (items: readonly In[]) => Promise<readonly ItemResult<Out>[]>;
}

export type ItemResult<Out> = { readonly value: Out } | { readonly error: unknown };

// The slowest of a batch of ten conditional writes comes some milliseconds after the first.
const expectMilliseconds = 15;

/**
 * Gathers what is asked for in one turn of the event loop into calls that take many. Where more of the kind is on its
 * way (the publishes of ten commits, say), the call waits for it.
 */
export function createBatcher<In, Out>({ max, send }: BatcherOptions<In, Out>): Batcher<In, Out> {
  interface BatchItem {
    readonly item: In;
    readonly resolve: (value: Out) => void;
    readonly reject: (error: unknown) => void;
  }
  let waiting: BatchItem[] = [];
  let expected = 0;
  let looking = false;
  let timer: NodeJS.Timeout | undefined;

  const run = async (batch: readonly BatchItem[]): Promise<void> => {
    try {
      const results = await send(batch.map(({ item }) => item));
      for (const [n, { resolve, reject }] of batch.entries()) {
        const result = results[n];
        if (result === undefined) reject(new Error(`${results.length} results for ${batch.length} items`));
        else if ("error" in result) reject(result.error);
        else resolve(result.value);
      }
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  };

  const flush = (): void => {
    clearTimeout(timer);
    timer = undefined;
    const all = waiting;
    waiting = [];
    for (let from = 0; from < all.length; from += max) void run(all.slice(from, from + max));
  };

  const look = (): void => {
    looking = false;
    if (waiting.length === 0) return;
    if (expected === 0) flush();
    else timer ??= setTimeout(flush, expectMilliseconds);
  };

  const lookSoon = (): void => {
    if (looking) return;
    looking = true;
    setImmediate(look);
  };

  return {
    add(item) {
      return new Promise((resolve, reject) => {
        waiting.push({ item, resolve, reject });
        if (waiting.length >= max) flush();
        else lookSoon();
      });
    },
    expect() {
      let open = true;
      expected++;
      return () => {
        if (!open) return;
        open = false;
        expected--;
        lookSoon();
      };
    },
  };
}
