import { type Clock, systemClock } from "../../core/clock.ts";
import { readNumbers, writeNumbers } from "../../core/cursor.ts";
import { CauceError } from "../../core/errors.ts";
import { matches } from "../../core/filter.ts";
import type { StoredOrder } from "../../core/order.ts";
import { guarded } from "../guard.ts";
import { createIds, refuseContent, storedOrder } from "../newOrder.ts";
import type {
  Backend,
  DeliveryMode,
  Depth,
  FailureGroup,
  Limits,
  ListQuery,
  LocatedBackend,
  NewOrder,
  OldOrders,
  OrderPage,
  Placed,
  Removal,
  Swept,
} from "../port.ts";
import { close, comeAgain, createQueues, enqueue, leave, receive, setPaused, settle, stateOf } from "./queues.ts";

export interface MemoryOptions {
  /** Taken so that `memory` itself is a `BackendFactory`; nothing is stored under it. */
  readonly workflow?: string | undefined;
  /** Default: the machine's clock. */
  readonly clock?: Clock | undefined;
  /** Default `standard`. */
  readonly delivery?: DeliveryMode | undefined;
}

const limits: Limits = Object.freeze({
  longestDelaySeconds: Number.POSITIVE_INFINITY,
  dataBytesMax: 1_048_576,
  groupBytesMax: 1_024,
  sweepSeconds: Number.POSITIVE_INFINITY,
  timingSeconds: 0.1,
  longestWaitSeconds: Number.POSITIVE_INFINITY,
  concurrency: { least: 1, most: Number.POSITIVE_INFINITY, default: 100 },
});

/** An order, and where in the order of placing it stands. */
interface Stored {
  readonly index: number;
  readonly keyHash: string | null;
  order: StoredOrder;
}

type Store = ReturnType<typeof createStore>;

function createStore(clock: Clock, delivery: DeliveryMode) {
  return {
    clock,
    ids: createIds(0),
    queues: createQueues(clock, delivery),
    failures: failureGroups(),
    /** In the order of placing. A removed order leaves its index empty, so that cursors stay good. */
    placed: [] as (Stored | undefined)[],
    byId: new Map<string, Stored>(),
    /** Those that are not final: what the sweep and the counts look through. */
    open: new Map<string, Stored>(),
    byKey: new Map<string, { readonly stored: Stored; readonly contentHash: string }>(),
  };
}

/**
 * The reference backend, for tests and for trying things out: it keeps every law, but nothing survives its closing.
 * Data up to 1 MiB, group keys up to 1,024 bytes, delays of any length. `createCauce({ backend: memory, … })` takes it
 * as it is.
 * Throws `setting_invalid` for an option that it does not know.
 */
export function memory(options: MemoryOptions = {}): LocatedBackend {
  checkOptions(options);
  const { delivery = "standard" } = options;
  const store = createStore(options.clock ?? systemClock(), delivery);
  const { queues, failures, byId } = store;

  const backend: Backend = {
    limits,
    place: async (order) => place(store, order),
    get: async (id) => byId.get(id)?.order,
    list: async (query) => list(store, query),

    async commit({ before, after, delivery }) {
      const stored = byId.get(before.id);
      // The fence. Nothing can come between this line and the end of the method.
      //   A reads version 4 · B reads version 4 · B commits: it is 5 · A compares 5 with 4: stale
      if (stored === undefined || stored.order.version !== before.version) return "stale";
      failures.replace(stored.order, after);
      stored.order = after;
      keep(store, stored);
      if (delivery === "enter") enqueue(queues, after);
      else if (delivery === "again") comeAgain(queues, after);
      else if (delivery === "end") leave(queues, after.id);
      return "committed";
    },

    receive: async (asked) => receive(queues, asked),

    async settle(delivery, verdict) {
      if (verdict.verdict === "superseded") redeliver(store, verdict.by);
      settle(queues, delivery, verdict.verdict === "superseded" ? { verdict: "done" } : verdict);
    },

    sweep: async (query) => sweep(store, query),

    async keep(note) {
      if (note.is === "paused") setPaused(queues, note.status, note.paused);
    },

    async remove(which) {
      if (!("id" in which)) return removeOld(store, which);
      const stored = byId.get(which.id);
      if (stored === undefined) return { removed: 0, nextCursor: null };
      if (stored.order.kind !== "final") return "not_final";
      erase(store, stored);
      return { removed: 1, nextCursor: null };
    },

    counts: async (asked) => ({
      depths: asked.depths ? depthsOf(store) : [],
      failures: asked.failures ? failures.all() : [],
    }),

    close: async () => close(queues),
  };
  return {
    ...guarded(backend, "the memory backend is closed; open a new one"),
    delivery,
    where: (id) => ({ store: "memory", file: null, table: null, key: { id } }),
  };
}

const known: readonly string[] = ["workflow", "clock", "delivery", "onBatch", "onOpening", "leaseSeconds"];

function checkOptions(options: MemoryOptions): void {
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) {
      throw new CauceError("setting_invalid", `memory() has no option "${key}"; it takes workflow, clock and delivery`);
    }
  }
  const { delivery } = options;
  if (delivery !== undefined && delivery !== "standard" && delivery !== "fifo") {
    throw new CauceError("setting_invalid", `memory(): delivery is "${delivery}"; use "standard" or "fifo"`);
  }
}

function place(store: Store, newOrder: NewOrder): Placed {
  const { clock, ids, queues, placed, byKey } = store;
  const { key } = newOrder;
  const refused = refuseContent(newOrder, limits);
  if (refused !== undefined) throw refused;
  const earlier = key === null ? undefined : byKey.get(key.keyHash);
  if (earlier !== undefined) {
    const { order } = earlier.stored;
    if (earlier.contentHash === key?.contentHash) return { outcome: "repeated", order };
    return { outcome: "conflict", orderId: order.id };
  }
  const order = storedOrder(newOrder, ids.next(clock.now()).id);
  const stored = { index: placed.length, keyHash: key?.keyHash ?? null, order };
  placed.push(stored);
  keep(store, stored);
  if (key !== null) byKey.set(key.keyHash, { stored, contentHash: key.contentHash });
  if (order.kind === "handled") enqueue(queues, order);
  return { outcome: "placed", order };
}

function keep({ byId, open }: Store, stored: Stored): void {
  const { id, kind } = stored.order;
  byId.set(id, stored);
  if (kind === "final") open.delete(id);
  else open.set(id, stored);
}

/** Where a list or a removal goes on. Orders are added at the end alone, so an index stays good. */
function indexIn({ placed }: Store, name: "list" | "removal", cursor: string): number {
  const [index = 0] = readNumbers(cursor, `a ${name}`, name, 1);
  // A cursor of another store may lie behind all that is placed here.
  return Math.min(index, placed.length);
}

function list(store: Store, query: ListQuery): OrderPage {
  const { placed } = store;
  let index = query.cursor === undefined ? placed.length : indexIn(store, "list", query.cursor);
  const items: StoredOrder[] = [];
  let last = index;
  while (--index >= 0) {
    const order = placed[index]?.order;
    if (order === undefined || !matches(order, query)) continue;
    if (items.length === query.limit) return { items, nextCursor: writeNumbers("list", last) };
    items.push(order);
    last = index;
  }
  return { items, nextCursor: null };
}

function sweep(store: Store, { limit, cursor }: { limit: number; cursor?: string | undefined }): Swept {
  const now = store.clock.now();
  const [afterAt = -1, afterIndex = 0] = cursor === undefined ? [] : readNumbers(cursor, "a sweep", "sweep", 2);
  const due: { at: number; index: number; order: StoredOrder }[] = [];
  let nextAt: number | null = null;
  for (const { order, index } of store.open.values()) {
    const at = overdueAt(order, stateOf(store.queues, order.id) !== undefined);
    if (at === null) continue;
    if (at > now) nextAt = Math.min(nextAt ?? at, at);
    else if (at > afterAt || (at === afterAt && index > afterIndex)) due.push({ at, index, order });
  }
  due.sort((a, b) => a.at - b.at || a.index - b.index);
  const page = due.slice(0, limit);
  const last = page.at(-1);
  const expired = page.map(({ order }) => order).filter(({ kind }) => kind === "waiting");
  for (const { order } of page) redeliver(store, order);
  return {
    expired,
    redelivered: page.length - expired.length,
    failed: [],
    nextCursor: last !== undefined && due.length > limit ? writeNumbers("sweep", last.at, last.index) : null,
    nextAt,
  };
}

/** Since when, or from when, an order is overdue: a wait from its end, a lost delivery since its order's last change. */
function overdueAt(order: StoredOrder, queued: boolean): number | null {
  if (order.failure !== null) return null;
  if (order.kind === "waiting") return order.expiresAt;
  return queued ? null : order.updatedAt;
}

/** Queues the order's delivery if it has none. */
function redeliver({ byId, queues }: Store, { id, visit }: StoredOrder): void {
  const order = byId.get(id)?.order;
  if (order === undefined || order.visit !== visit || order.kind !== "handled" || order.failure !== null) return;
  if (stateOf(queues, id) === undefined) enqueue(queues, order);
}

function removeOld(store: Store, { before, limit, cursor }: OldOrders): Removal {
  const { placed } = store;
  const start = cursor === undefined ? 0 : indexIn(store, "removal", cursor);
  const end = Math.min(start + limit, placed.length);
  const isOld = ({ order }: Stored) => order.kind === "final" && order.updatedAt < before;
  const old = placed
    .slice(start, end)
    .filter((stored) => stored !== undefined)
    .filter(isOld);
  for (const stored of old) erase(store, stored);
  return { removed: old.length, nextCursor: end < placed.length ? writeNumbers("removal", end) : null };
}

function erase({ placed, byId, byKey }: Store, { index, keyHash, order }: Stored): void {
  placed[index] = undefined;
  byId.delete(order.id);
  if (keyHash !== null) byKey.delete(keyHash);
}

/** Counts the orders that are not final, by status and kind. */
function depthsOf({ open, queues }: Store): Depth[] {
  const depths = new Map<string, { -readonly [K in keyof Depth]: Depth[K] }>();
  const none = { waiting: 0, inFlight: 0, delayed: 0, failed: 0, oldestWaitingAt: null, atLeast: false };
  for (const status of queues.paused) {
    depths.set(`handled ${status}`, { status, kind: "handled", ...none, paused: true });
  }
  for (const { order } of open.values()) {
    const kind = order.kind === "waiting" ? "waiting" : "handled";
    const { status } = order;
    const row = `${kind} ${status}`;
    let depth = depths.get(row);
    if (depth === undefined) {
      depth = { status, kind, ...none, paused: false };
      depths.set(row, depth);
    }
    if (order.failure !== null) depth.failed++;
    else if (order.kind === "waiting") depth.waiting++;
    else {
      const state = stateOf(queues, order.id);
      if (state === "due") {
        depth.waiting++;
        depth.oldestWaitingAt = Math.min(depth.oldestWaitingAt ?? Number.POSITIVE_INFINITY, order.updatedAt);
      } else if (state !== undefined) depth[state]++;
    }
  }
  return [...depths.values()];
}

/** Groups the failed orders by status and fingerprint. */
function failureGroups() {
  const groups = new Map<string, FailureGroup>();
  const keyOf = ({ status, failure }: StoredOrder): string | undefined =>
    failure === null ? undefined : JSON.stringify([status, failure.fingerprint]);

  function leave(order: StoredOrder): void {
    const key = keyOf(order);
    const group = key === undefined ? undefined : groups.get(key);
    if (key === undefined || group === undefined) return;
    if (group.count === 1) groups.delete(key);
    else groups.set(key, { ...group, count: group.count - 1 });
  }

  function join(order: StoredOrder): void {
    const key = keyOf(order);
    const { failure, status } = order;
    if (key === undefined || failure === null) return;
    const { at, message, fingerprint } = failure;
    const group = groups.get(key);
    if (group === undefined) {
      groups.set(key, { status, fingerprint, message, count: 1, firstAt: at, lastAt: at });
      return;
    }
    const latest = at >= group.lastAt ? { message, lastAt: at } : {};
    groups.set(key, { ...group, ...latest, count: group.count + 1 });
  }

  return {
    /** Counts an order's change: out of the group it was in, into the one it is in. */
    replace(before: StoredOrder, after: StoredOrder): void {
      // The same failure again must not empty its group, which would forget when it began.
      if (keyOf(before) === keyOf(after) && before.failure?.at === after.failure?.at) return;
      leave(before);
      join(after);
    },
    /** The largest group first. */
    all: () => [...groups.values()].sort((a, b) => b.count - a.count || b.lastAt - a.lastAt),
  };
}
