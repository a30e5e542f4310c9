export interface Batcher<In, Out> {
  /** Adds an item to the next call. */
  add(item: In): Promise<Out>;
  /**
   * Announces an item: the next call waits up to 15 ms for it. The function that this returns says that the item was
   * added, or will not be.
   */
  expect(): () => void;
}

export type ItemResult<Out> = { readonly value: Out } | { readonly error: unknown };

// The slowest of ten conditional writes that began together ends some milliseconds after the first.
const expectMilliseconds = 15;

/**
 * Gathers the items of one turn of the event loop into calls of up to `max` items. A call waits for items that were
 * announced, such as the publishes of ten commits. `send` makes one call and resolves to a result for each item, in
 * order; where it rejects, every item of the call does.
 */
export function createBatcher<In, Out>(
  max: number,
  send: (items: readonly In[]) => Promise<readonly ItemResult<Out>[]>,
): Batcher<In, Out> {
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
