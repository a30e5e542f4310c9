import assert from "node:assert/strict";
import type {
  Delivery,
  DeliveryMode,
  Depth,
  FailureGroup,
  ListQuery,
  LocatedBackend,
  NewOrder,
  Placed,
} from "../../backend/port.ts";
import type { Clock } from "../../core/clock.ts";
import { type Change, decide, type Outcome } from "../../core/decide.ts";
import { CauceError, type ErrorCode } from "../../core/errors.ts";
import type { StoredOrder } from "../../core/order.ts";
import {
  type ContractStatus,
  contractActor,
  contractWorkflow,
  movedTo,
  newOrder,
  type OrderOptions,
} from "./orders.ts";

/** The means by which one case tries a backend. */
export interface Trial {
  /** The backend as it is open now. */
  readonly backend: LocatedBackend;
  readonly delivery: DeliveryMode;
  readonly clock: Clock;
  /** How many timers the backend has set on its clock. */
  timers(): number;
  /** Closes the backend and opens its store again. */
  reopen(): Promise<void>;
  /** Drops the backend as SIGKILL would and opens its store again. */
  crash(): Promise<void>;
  /** Lets this time pass. */
  pass(seconds: number): Promise<void>;

  newOrder(options?: OrderOptions): NewOrder;
  /** Places an order that may be a repeat or a conflict. */
  offer(options?: OrderOptions): Promise<Placed>;
  /** Places an order that must be new. */
  place(options?: OrderOptions): Promise<StoredOrder>;
  get(id: string): Promise<StoredOrder>;
  /** Asserts that each of these orders reads back whole. */
  isStored(...orders: StoredOrder[]): Promise<void>;
  /** Makes the change that the engine would commit. */
  change(order: StoredOrder, outcome: Outcome): Change;
  /** Commits that change, for `delivery` if one is given. The commit must not be stale. Returns the order after it. */
  commit(order: StoredOrder, outcome: Outcome, delivery?: Delivery): Promise<StoredOrder>;

  /** Receives exactly `count` deliveries (default 1) of a status, which must be due. Their leases default to 60 s. */
  receive(status: string, count?: number, leaseSeconds?: number): Promise<Delivery[]>;
  receiveOne(status: string, leaseSeconds?: number): Promise<Delivery>;
  /** Fails if a delivery of one of these statuses comes now. */
  receiveNothing(...statuses: string[]): Promise<void>;
  /** Lets time pass until the next delivery, which must come within `within`. */
  receiveWithin(status: string, within: Within, leaseSeconds?: number): Promise<Delivery>;
  /** Receives one delivery, which must be this order's, and commits the outcome for that delivery. */
  handle(order: StoredOrder, outcome: Outcome): Promise<StoredOrder>;

  depths(): Promise<Depth[]>;
  failures(): Promise<FailureGroup[]>;
  pause(status: string): Promise<void>;
  resume(status: string): Promise<void>;

  /** Lists page by page until the list has `count` orders, since a list may be a little behind. */
  list(query: Omit<ListQuery, "limit" | "cursor">, count: number): Promise<StoredOrder[]>;
  /** Asks until the answer is not undefined or false, since a change may take a turn of the event loop. */
  eventually<T>(what: string, ask: () => Promise<T | undefined | false>): Promise<T>;
  /** Waits for a promise that must settle without time passing. */
  settles<T>(what: string, promise: Promise<T>): Promise<T>;
  /** Lets time pass until the promise settles. */
  settlesInTime<T>(what: string, promise: Promise<T>): Promise<T>;
}

interface Within {
  /** Milliseconds since 1970. */
  readonly notBefore: number;
  /** The latest time, plus the accuracy of the backend's timing. Default: `notBefore`. */
  readonly by?: number;
}

interface TrialOptions extends Pick<Trial, "delivery" | "clock" | "timers" | "reopen" | "crash"> {
  /** The backend as it is open now. */
  readonly open: () => LocatedBackend;
  /** Moves a fake clock. Undefined if time passes by itself. */
  readonly advance: ((seconds: number) => void) | undefined;
  readonly patienceSeconds: number;
}

/** A lease for cases that wait until it runs out. */
export const shortSeconds = 1;
export const shortMilliseconds = shortSeconds * 1_000;
/** From the beginning of a short lease until the lease has run out. */
export const withinLease = (leasedAt: number): Within => ({ notBefore: leasedAt, by: leasedAt + shortMilliseconds });
const longLeaseSeconds = 60;
/** How long one look for an unwanted delivery lasts, if time passes by itself. */
const lookSeconds = 0.2;
const looks = 10;

export function createTrial(options: TrialOptions): Trial {
  const waits = createWaits(options);
  const trial: Trial = {
    ...options,
    ...waits,
    get backend() {
      return options.open();
    },
    ...orderSteps(() => trial),
    ...deliverySteps(() => trial, options, waits),
    depths: async () => (await trial.backend.counts({ depths: true })).depths,
    failures: async () => (await trial.backend.counts({ failures: true })).failures,
    pause: (status) => trial.backend.keep({ is: "paused", status, paused: true }),
    resume: (status) => trial.backend.keep({ is: "paused", status, paused: false }),
  };
  return trial;
}

function createWaits({ clock, advance, patienceSeconds }: TrialOptions) {
  /** Lets the backend work. No time passes on a fake clock. */
  const turn = (): Promise<void> => (advance ? new Promise((resolve) => setImmediate(resolve)) : pass(0.02));

  async function pass(seconds: number): Promise<void> {
    if (advance) advance(seconds);
    else await new Promise<void>((resolve) => clock.after(seconds * 1_000, resolve));
  }

  /** Starts the patience. The result says whether there is still time. */
  function patience(): () => boolean {
    const end = performance.now() + patienceSeconds * 1_000;
    return () => performance.now() < end;
  }

  async function eventually<T>(what: string, ask: () => Promise<T | undefined | false>): Promise<T> {
    const goOn = patience();
    for (;;) {
      const found = await ask();
      if (found !== undefined && found !== false) return found;
      assert.ok(goOn(), `still missing: ${what}`);
      await turn();
    }
  }

  async function settles<T>(what: string, promise: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const giveUp = new Promise<never>((_, reject) => {
      const error = new assert.AssertionError({ message: `did not settle: ${what}` });
      timer = setTimeout(reject, patienceSeconds * 1_000, error);
    });
    try {
      return await Promise.race([promise, giveUp]);
    } finally {
      clearTimeout(timer);
    }
  }

  async function settlesInTime<T>(what: string, promise: Promise<T>): Promise<T> {
    if (!advance) return settles(what, promise);
    let settled = false;
    const end = () => {
      settled = true;
    };
    promise.then(end, end);
    const goOn = patience();
    while (!settled && goOn()) {
      await turn();
      if (!settled) advance(0.1);
    }
    assert.ok(settled, `did not settle: ${what}`);
    return promise;
  }

  return { turn, patience, pass, eventually, settles, settlesInTime };
}

/** Placing, reading and changing orders. */
function orderSteps(
  trial: () => Trial,
): Pick<Trial, "newOrder" | "offer" | "place" | "get" | "isStored" | "change" | "commit"> {
  return {
    newOrder: (orderOptions) => newOrder(trial().clock.now(), orderOptions),

    offer: async (orderOptions) => trial().backend.place(trial().newOrder(orderOptions)),

    place: async (orderOptions) => placedOrder(await trial().offer(orderOptions)),

    async get(id) {
      const order = await trial().backend.get(id);
      assert.ok(order, `order ${id} was placed and is not there`);
      return order;
    },

    async isStored(...orders) {
      for (const order of orders) assert.deepEqual(await trial().get(order.id), order);
    },

    change(order, outcome) {
      const context = { workflow: contractWorkflow, now: trial().clock.now(), random: () => 0.5, by: contractActor };
      const decision = decide(order, outcome, context);
      if ("refused" in decision) assert.fail(`the suite's own change was refused: ${decision.message}`);
      return decision.change;
    },

    async commit(order, outcome, leased) {
      const change = trial().change(order, outcome);
      assert.equal(await trial().backend.commit(change, leased), "committed", `commit at version ${order.version}`);
      return change.after;
    },
  };
}

/** Receiving deliveries and listing orders, where both may be a little late. */
function deliverySteps(
  trial: () => Trial,
  { clock, advance }: TrialOptions,
  { turn, patience, eventually }: ReturnType<typeof createWaits>,
): Pick<Trial, "receive" | "receiveOne" | "receiveNothing" | "receiveWithin" | "handle" | "list"> {
  const waitSeconds = advance ? 0 : lookSeconds;
  // Clocks of two machines may differ a little. A fake clock is one clock.
  const skewMilliseconds = advance ? 0 : 50;
  return {
    async receive(status, count = 1, leaseSeconds = longLeaseSeconds) {
      const taken: Delivery[] = [];
      await eventually(`${count} deliveries of "${status}"`, async () => {
        const max = count - taken.length;
        const more = await trial().backend.receive({ status, max, leaseSeconds, waitSeconds });
        assert.ok(more.length <= max, `receive({ max: ${max} }) gave ${more.length}`);
        taken.push(...more);
        return taken.length === count;
      });
      for (const each of taken) assert.equal(each.status, status, "the delivery's status");
      return taken;
    },

    async receiveOne(status, leaseSeconds) {
      const [delivery] = await trial().receive(status, 1, leaseSeconds);
      assert.ok(delivery);
      return delivery;
    },

    async receiveNothing(...statuses) {
      for (const status of statuses) {
        for (let look = 0; look < (advance ? looks : 1); look++) {
          const taken = await trial().backend.receive({ status, max: 10, leaseSeconds: longLeaseSeconds, waitSeconds });
          assert.deepEqual(taken, [], `no delivery of "${status}" may come now`);
          await turn();
        }
      }
    },

    async receiveWithin(status, { notBefore, by = notBefore }, leaseSeconds = longLeaseSeconds) {
      const latest = by + trial().backend.limits.timingSeconds * 1_000;
      const stepMilliseconds = Math.max(1, Math.ceil((latest - clock.now()) / 8));
      let goOn: (() => boolean) | undefined;
      for (;;) {
        const [delivery] = await trial().backend.receive({ status, max: 1, leaseSeconds, waitSeconds });
        if (delivery !== undefined) {
          const early = notBefore - clock.now();
          assert.ok(early <= skewMilliseconds, `the delivery came ${early} ms before it may`);
          return delivery;
        }
        const left = latest - clock.now();
        if (left <= 0) {
          goOn ??= patience();
          assert.ok(goOn(), `no delivery of "${status}" came at its time`);
        } else if (advance) advance(Math.min(stepMilliseconds, left) / 1_000);
        await turn();
      }
    },

    async handle(order, outcome) {
      const delivery = await trial().receiveOne(order.status);
      assertOf(delivery, order);
      return trial().commit(order, outcome, delivery);
    },

    async list(query, count) {
      return eventually(`${count} orders in the list ${JSON.stringify(query)}`, async () => {
        const found: StoredOrder[] = [];
        for await (const { items } of pagesOf((cursor) => trial().backend.list({ ...query, limit: 7, cursor }))) {
          assert.ok(items.length <= 7, `list({ limit: 7 }) gave ${items.length}`);
          found.push(...items);
        }
        return found.length === count ? found : undefined;
      });
    },
  };
}

/** Reads page after page until a page has no cursor. */
export async function* pagesOf<Page extends { readonly nextCursor: string | null }>(
  read: (cursor: string | undefined) => Promise<Page>,
): AsyncGenerator<Page> {
  let cursor: string | null | undefined;
  for (let pages = 0; cursor !== null; pages++) {
    assert.ok(pages < 1_000, "the pages do not end");
    const page = await read(cursor);
    yield page;
    cursor = page.nextCursor;
  }
}

/** Returns the order of a placing, which must have been new. */
export function placedOrder(placed: Placed): StoredOrder {
  if (placed.outcome !== "placed") assert.fail(`a new order was told "${placed.outcome}"`);
  return placed.order;
}

/** Asserts that a delivery is of the order's visit and, if `redelivered` is given, that the delivery says this. */
export function assertOf(
  delivery: Delivery,
  { id, visit }: Pick<StoredOrder, "id" | "visit">,
  redelivered = delivery.redelivered,
): void {
  const actual = [delivery.orderId, delivery.visit, delivery.redelivered];
  assert.deepEqual(actual, [id, visit, redelivered], "the delivery's order, visit and redelivered");
}

/** Asserts that a call rejects with this code, and with a message of one line. */
export function isRefused(code: ErrorCode, call: Promise<unknown>, what: string): Promise<void> {
  const fits = (error: unknown) => error instanceof CauceError && error.code === code && !error.message.includes("\n");
  return assert.rejects(call, fits, what);
}

export function idsOf(items: readonly { readonly id: string }[] | readonly { readonly orderId: string }[]): string[] {
  return items.map((item) => ("id" in item ? item.id : item.orderId));
}

/** What a store outlives: nothing, a clean close, or a clean close and a process that is killed. */
export type Survives = "nothing" | "closing" | "crashing";

/** One case of the contract, before it is bound to a backend. */
export interface Case {
  readonly name: string;
  /** The only delivery mode in which the case runs. Default: the case runs in both. */
  readonly only?: DeliveryMode;
  /** What the store must outlive for the case to have a meaning. Default: nothing. */
  readonly needs?: Survives;
  run(trial: Trial): Promise<void>;
}

/** A case for standard and FIFO delivery. */
export const both = (name: string, run: Case["run"]): Case => ({ name, run });

/** A case for standard delivery alone. */
export const standard = (name: string, run: Case["run"]): Case => ({ name, run, only: "standard" });

/** A case for FIFO delivery alone. */
export const fifo = (name: string, run: Case["run"]): Case => ({ name, run, only: "fifo" });

/** A case for stores that outlive a clean close. */
export const afterClosing = (name: string, run: Case["run"]): Case => ({ name, run, needs: "closing" });

/** A case for stores that outlive a process that is killed. */
export const afterCrash = (name: string, run: Case["run"]): Case => ({ name, run, needs: "crashing" });

/**
 * Places an order and moves it from `received` with a commit (default: to `priced`, where its next delivery waits).
 * Returns the order and the delivery of `received`, like a delivery that came twice and that a worker sees too late.
 */
export async function superseded(
  trial: Trial,
  options: OrderOptions = {},
  to: ContractStatus = "priced",
): Promise<{ stray: Delivery; order: StoredOrder }> {
  const placed = await trial.place(options);
  const stray = await trial.receiveOne("received");
  assertOf(stray, placed);
  return { stray, order: await trial.commit(placed, movedTo(to)) };
}
