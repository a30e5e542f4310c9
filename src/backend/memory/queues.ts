/** The queues of the statuses, in memory: functions over one `Queues` value. */
import { atMonotonic, type Clock, createAlarm, type SetTimer } from "../../core/clock.ts";
import type { StoredOrder } from "../../core/order.ts";
import type { Delivery, DeliveryMode, ReceiveOptions, Verdict } from "../port.ts";

/** One order in the queue of its status. */
interface Queued {
  readonly orderId: string;
  readonly visit: number;
  readonly queue: Queue;
  readonly group: Group;
  /** Given when the order entered the queue. A delivery that comes again keeps it. */
  readonly position: number;
  state: "due" | "delayed" | "inFlight" | "gone";
  /** Delayed: when it is due, by `clock.now()`. In flight: when its lease runs out, by `clock.monotonic()`. */
  until: number;
  receipt: string;
  redelivered: boolean;
}

/** Only the head of a group is received. An order without a group, or in standard delivery, is a group of its own. */
interface Group {
  readonly key: string;
  readonly members: Heap<Queued>;
}

interface Receiver {
  readonly options: ReceiveOptions;
  end(deliveries: Delivery[]): void;
}

/** The queue of one status. */
interface Queue {
  readonly status: string;
  readonly groups: Map<string, Group>;
  /** The heads that are due, and some that no longer are: `take` looks at the state of each. */
  readonly heads: Heap<Queued>;
  /** Receives that wait, in the order of their calls. */
  readonly receivers: Set<Receiver>;
}

/** The times at which orders in one state become due, and times that no longer count: see `lasts`. */
interface Times {
  readonly state: "delayed" | "inFlight";
  now(): number;
  readonly heap: Heap<Timed>;
  readonly alarm: ReturnType<typeof createAlarm>;
}

interface Timed {
  readonly at: number;
  readonly queued: Queued;
}

type Queues = ReturnType<typeof createQueues>;

export function createQueues(clock: Clock, delivery: DeliveryMode) {
  const queues = {
    clock,
    delivery,
    byStatus: new Map<string, Queue>(),
    byOrder: new Map<string, Queued>(),
    /** The statuses of which nothing is handed out. */
    paused: new Set<string>(),
    /** When delayed orders are due. */
    delays: createTimes("delayed", clock.now, clock.at, () => wake(queues)),
    /** When leases run out. */
    leases: createTimes("inFlight", clock.monotonic, atMonotonic(clock), () => wake(queues)),
    positions: 0,
    receipts: 0,
  };
  return queues;
}

function createTimes(state: Times["state"], now: () => number, setTimer: SetTimer, ring: () => void): Times {
  return { state, now, heap: heap((a: Timed, b: Timed) => a.at < b.at), alarm: createAlarm(setTimer, ring) };
}

/** Puts an order at the end of the queue of its status, and takes it out of the queue in which it was. */
export function enqueue(queues: Queues, order: StoredOrder): void {
  remove(queues, order.id);
  delay(queues, join(queues, order), order.notBefore ?? 0);
  serve(queues);
}

/** Makes an order due at its `notBefore`, where it is in its queue. */
export function comeAgain(queues: Queues, order: StoredOrder): void {
  delay(queues, queues.byOrder.get(order.id) ?? join(queues, order), order.notBefore ?? 0);
  serve(queues);
}

export function leave(queues: Queues, orderId: string): void {
  remove(queues, orderId);
  serve(queues);
}

/** How an order is queued; undefined where it is in no queue. */
export function stateOf(queues: Queues, orderId: string): Exclude<Queued["state"], "gone"> | undefined {
  wake(queues);
  const state = queues.byOrder.get(orderId)?.state;
  return state === "gone" ? undefined : state;
}

export function setPaused(queues: Queues, status: string, isPaused: boolean): void {
  if (isPaused) queues.paused.add(status);
  else {
    queues.paused.delete(status);
    wake(queues);
  }
}

/** Ends the receives that wait, with nothing, and cancels every timer. */
export function close({ delays, leases, byStatus }: Queues): void {
  for (const { alarm } of [delays, leases]) alarm.cancel();
  for (const { receivers } of byStatus.values()) for (const receiver of receivers) receiver.end([]);
}

export function settle(
  queues: Queues,
  settled: Delivery,
  verdict: Exclude<Verdict, { readonly verdict: "superseded" }>,
): void {
  wake(queues);
  const queued = queues.byOrder.get(settled.orderId);
  //   receive → receipt 1 → lease runs out → receive → receipt 2
  //                                                       settle(receipt 1): the delivery is another receiver's now
  if (queued?.state !== "inFlight" || queued.receipt !== settled.receipt) return;
  if (verdict.verdict === "done") remove(queues, settled.orderId);
  else delay(queues, queued, verdict.notBefore);
  serve(queues);
}

export async function receive(queues: Queues, options: ReceiveOptions): Promise<Delivery[]> {
  const { clock } = queues;
  const { waitSeconds, signal } = options;
  if (signal?.aborted) return [];
  wake(queues);
  const queue = queueOf(queues, options.status);
  const taken = take(queues, queue, options);
  setAlarm(queues.leases);
  if (taken.length > 0 || waitSeconds <= 0) return taken;
  return new Promise((resolve) => {
    let cancel = () => {};
    const receiver: Receiver = {
      options,
      end(deliveries) {
        if (!queue.receivers.delete(receiver)) return;
        cancel();
        signal?.removeEventListener("abort", onAbort);
        resolve(deliveries);
      },
    };
    const onAbort = () => receiver.end([]);
    const onTimeout = () => {
      wake(queues);
      receiver.end([]);
    };
    if (waitSeconds < Number.POSITIVE_INFINITY) cancel = clock.after(waitSeconds * 1_000, onTimeout);
    signal?.addEventListener("abort", onAbort);
    queue.receivers.add(receiver);
  });
}

function queueOf({ byStatus }: Queues, status: string): Queue {
  let queue = byStatus.get(status);
  if (queue === undefined) {
    queue = { status, groups: new Map(), heads: heap(isEarlier), receivers: new Set() };
    byStatus.set(status, queue);
  }
  return queue;
}

function join(queues: Queues, { id, visit, status, group: groupKey }: StoredOrder): Queued {
  const queue = queueOf(queues, status);
  const key = queues.delivery === "fifo" && groupKey !== null ? `group ${groupKey}` : `order ${id}`;
  let group = queue.groups.get(key);
  if (group === undefined) {
    group = { key, members: heap(isEarlier) };
    queue.groups.set(key, group);
  }
  const position = queues.positions++;
  const entry = { orderId: id, visit, queue, group, position, until: 0, receipt: "", redelivered: false };
  const queued: Queued = { ...entry, state: "delayed" };
  queues.byOrder.set(id, queued);
  group.members.push(queued);
  return queued;
}

function remove({ byOrder }: Queues, orderId: string): void {
  const queued = byOrder.get(orderId);
  if (queued === undefined) return;
  byOrder.delete(orderId);
  const { group, queue } = queued;
  const wasHead = headOf(group) === queued;
  queued.state = "gone";
  const head = headOf(group);
  if (head === undefined) queue.groups.delete(group.key);
  else if (wasHead) expose(head);
}

function delay(queues: Queues, queued: Queued, notBefore: number): void {
  if (notBefore <= queues.clock.now()) makeDue(queued, false);
  else {
    queued.state = "delayed";
    queued.redelivered = false;
    keepUntil(queues.delays, queued, notBefore);
  }
}

function keepUntil({ heap }: Times, queued: Queued, at: number): void {
  queued.until = at;
  heap.push({ at, queued });
}

function makeDue(queued: Queued, redelivered: boolean): void {
  queued.state = "due";
  queued.redelivered = redelivered;
  expose(queued);
}

/** Lets an order be taken, once it is due and the head of its group. */
function expose(queued: Queued): void {
  if (queued.state === "due" && headOf(queued.group) === queued) queued.queue.heads.push(queued);
}

function headOf({ members }: Group): Queued | undefined {
  while (members.peek()?.state === "gone") members.pop();
  return members.peek();
}

function take(queues: Queues, queue: Queue, { max, leaseSeconds }: ReceiveOptions): Delivery[] {
  const taken: Delivery[] = [];
  while (taken.length < max && !queues.paused.has(queue.status)) {
    const queued = queue.heads.pop();
    if (queued === undefined) break;
    if (queued.state !== "due") continue;
    queued.state = "inFlight";
    queued.receipt = `${++queues.receipts}`;
    keepUntil(queues.leases, queued, queues.clock.monotonic() + leaseSeconds * 1_000);
    const { orderId, visit, receipt, redelivered } = queued;
    taken.push({ orderId, status: queue.status, visit, receipt, redelivered, messageId: null });
  }
  return taken;
}

/** Hands what is due to the receives that wait, and sets the alarms for what is not. */
function serve(queues: Queues): void {
  for (const queue of queues.byStatus.values()) {
    for (const receiver of queue.receivers) {
      const taken = take(queues, queue, receiver.options);
      if (taken.length === 0) break;
      receiver.end(taken);
    }
  }
  setAlarm(queues.delays);
  setAlarm(queues.leases);
}

/** Makes due what is due by now, and hands it out. */
function wake(queues: Queues): void {
  for (const times of [queues.delays, queues.leases]) {
    const { heap, state } = times;
    const now = times.now();
    for (let next = heap.peek(); next !== undefined && next.at <= now; next = heap.peek()) {
      heap.pop();
      if (lasts(next, times)) makeDue(next.queued, state === "inFlight");
    }
  }
  serve(queues);
}

function setAlarm(times: Times): void {
  const { heap, alarm } = times;
  let next = heap.peek();
  while (next !== undefined && !lasts(next, times)) {
    heap.pop();
    next = heap.peek();
  }
  if (next === undefined) alarm.cancel();
  // An alarm that is early is left to ring: it sets the next one, and no commit has to replace a timer.
  else alarm.setAt(next.at);
}

function isEarlier(a: Queued, b: Queued): boolean {
  return a.position < b.position;
}

/** False for a time that no longer counts: the delivery was settled, or waits for another time. */
function lasts({ at, queued }: Timed, { state }: Times): boolean {
  return queued.until === at && queued.state === state;
}

type Heap<T> = ReturnType<typeof heap<T>>;

/** Makes a binary heap: the item that comes before all others is at the top. */
export function heap<T>(before: (a: T, b: T) => boolean) {
  const items: T[] = [];
  const at = (index: number): T => items[index] as T;
  const swap = (a: number, b: number) => {
    const item = at(a);
    items[a] = at(b);
    items[b] = item;
  };
  return {
    get size(): number {
      return items.length;
    },
    push(item: T): void {
      let index = items.push(item) - 1;
      while (index > 0) {
        const parent = (index - 1) >> 1;
        if (!before(at(index), at(parent))) break;
        swap(index, parent);
        index = parent;
      }
    },
    peek: (): T | undefined => items[0],
    pop(): T | undefined {
      if (items.length <= 1) return items.pop();
      const top = items[0];
      items[0] = items.pop() as T;
      let index = 0;
      for (;;) {
        const left = 2 * index + 1;
        const right = left + 1;
        let first = index;
        if (left < items.length && before(at(left), at(first))) first = left;
        if (right < items.length && before(at(right), at(first))) first = right;
        if (first === index) return top;
        swap(index, first);
        index = first;
      }
    },
  };
}
