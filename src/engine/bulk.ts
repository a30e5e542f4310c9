import type { Backend } from "../backend/backend.ts";
import { readNumbers, writeNumbers } from "../core/cursor.ts";
import { type Filter, matches } from "../core/filter.ts";
import type { StoredOrder } from "../core/order.ts";

export interface BulkStep {
  /** How many orders of a list, or how many ids, this call takes at most. */
  readonly limit: number;
  /** From an earlier answer. */
  readonly cursor?: string | undefined;
  /** Counts what matches and does nothing. Default false. */
  readonly dryRun?: boolean | undefined;
}

export interface BulkResult {
  /** How many orders were acted on. */
  readonly done: number;
  /** How many orders matched. */
  readonly matched: number;
  /** Where to go on; null at the end. */
  readonly nextCursor: string | null;
}

const pageSize = 200;

/**
 * Acts on each order that matches, up to 200 at once: on those that are named, in their order, where the filter has
 * `ids`, else on those that the store lists, the newest first. `act` resolves to whether it did anything.
 * Rejects with `invalid_cursor`, and with what `act` or the store rejects with.
 */
export async function eachMatching(
  backend: Pick<Backend, "get" | "list">,
  filter: Filter,
  step: BulkStep,
  act: (order: StoredOrder) => Promise<boolean>,
): Promise<BulkResult> {
  const { limit, cursor: from, dryRun = false } = step;
  const { ids, ...others } = filter;
  let matched = 0;
  let done = 0;
  const one = async (order: StoredOrder | undefined): Promise<void> => {
    if (order === undefined || !matches(order, others)) return;
    matched++;
    if (!dryRun && (await act(order))) done++;
  };
  if (ids !== undefined) {
    // Named twice, an order is one all the same.
    const named = [...new Set(ids)];
    const [start = 0] = from === undefined ? [] : readNumbers(from, "a call with these ids", "ids", 1);
    const end = Math.min(start + limit, named.length);
    for (let first = start; first < end; first += pageSize) {
      const page = named.slice(first, Math.min(first + pageSize, end));
      await Promise.all(page.map(async (id) => one(await backend.get(id))));
    }
    return { done, matched, nextCursor: end < named.length ? writeNumbers("ids", end) : null };
  }
  let cursor = from;
  for (let left = limit; left > 0; ) {
    const page = await backend.list({ ...others, limit: Math.min(pageSize, left), cursor });
    await Promise.all(page.items.map(one));
    left -= page.items.length;
    if (page.nextCursor === null) return { done, matched, nextCursor: null };
    cursor = page.nextCursor;
  }
  return { done, matched, nextCursor: cursor ?? null };
}
