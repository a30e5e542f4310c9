import type { Clock } from "../../core/clock.ts";
import type { StoredOrder } from "../../core/order.ts";
import type { Delivery, DeliveryMode, ReceiveOptions, Verdict } from "../port.ts";

/** One order's place in the queue of its status. */
interface Queued {
  readonly orderId: string;
  readonly visit: number;
  readonly queue: Queue;
  readonly group: Group;
  /** Given when it entered; a delivery that comes again keeps it. */
  readonly position: number;
  state: "due" | "delayed" | "inFlight" | "gone";
  /** Delayed: when it is due. In flight: when its lease runs out. */
  until: number;
  receipt: string;
  redelivered: boolean;
}

/** The head of a group alone can be received. An order without a group, or in standard delivery, is a group of its own. */
interface Group {
  readonly key: string;
  readonly members: Heap<Queued>;
}

interface Receiver {
  readonly options: ReceiveOptions;
  answer(deliveries: Delivery[]): void;
}

/** The queue of one status. */
interface Queue {
  readonly status: string;
  readonly groups: Map<string, Group>;
  /** The heads that are due, and some that no longer are: whoever takes one looks at its state. */
  readonly heads: Heap<Queued>;
  /** Receives that wait, in the order of their calls. */
  readonly receivers: Set<Receiver>;
}

export interface Queues {
  /** Joins the end of the queue of the order's status, and leaves whatever queue it was in. */
  enter(order: StoredOrder): void;
  /** Keeps its place in the queue, and is due at the order's `notBefore`. */
  again(order: StoredOrder): void;
  end(orderId: string): void;
  stateOf(orderId: string): "due" | "delayed" | "inFlight" | undefined;
  receive(options: ReceiveOptions): Promise<Delivery[]>;
  settle(delivery: Delivery, verdict: Exclude<Verdict, { verdict: "superseded" }>): void;
  /** Nothing of a paused status is handed out. */
  setPaused(status: string, paused: boolean): void;
  /** The statuses that are paused. */
  paused(): ReadonlySet<string>;
  /** Answers the receives that wait, with nothing, and cancels every timer. */
  close(): void;
}

export function queues(clock: Clock, delivery: DeliveryMode): Queues {
  const byStatus = new Map<string, Queue>();
  const paused = new Set<string>();
  const byOrder = new Map<string, Queued>();
  const times = heap<{ readonly at: number; readonly queued: Queued }>((a, b) => a.at < b.at);
  let positions = 0;
  let receipts = 0;
  let alarm: { readonly at: number; readonly cancel: () => void } | undefined;

  function queueOf(status: string): Queue {
    let queue = byStatus.get(status);
    if (queue === undefined) {
      queue = { status, groups: new Map(), heads: heap(isEarlier), receivers: new Set() };
      byStatus.set(status, queue);
    }
    return queue;
  }

  function groupOf(queue: Queue, order: StoredOrder): Group {
    const key = delivery === "fifo" && order.group !== null ? `group ${order.group}` : `order ${order.id}`;
    let group = queue.groups.get(key);
    if (group === undefined) {
      group = { key, members: heap(isEarlier) };
      queue.groups.set(key, group);
    }
    return group;
  }

  function headOf(group: Group): Queued | undefined {
    while (group.members.peek()?.state === "gone") group.members.pop();
    return group.members.peek();
  }

  function expose(queued: Queued | undefined): void {
    if (queued?.state === "due" && headOf(queued.group) === queued) queued.queue.heads.push(queued);
  }

  function makeDue(queued: Queued, redelivered: boolean): void {
    queued.state = "due";
    queued.redelivered = redelivered;
    expose(queued);
  }

  function delay(queued: Queued, notBefore: number): void {
    if (notBefore <= clock.now()) {
      makeDue(queued, false);
      return;
    }
    queued.state = "delayed";
    queued.redelivered = false;
    holdUntil(queued, notBefore);
  }

  function holdUntil(queued: Queued, at: number): void {
    queued.until = at;
    times.push({ at, queued });
  }

  function join(order: StoredOrder): Queued {
    const queue = queueOf(order.status);
    const group = groupOf(queue, order);
    const queued: Queued = {
      orderId: order.id,
      visit: order.visit,
      queue,
      group,
      position: positions++,
      state: "delayed",
      until: 0,
      receipt: "",
      redelivered: false,
    };
    byOrder.set(order.id, queued);
    group.members.push(queued);
    return queued;
  }

  function remove(orderId: string): void {
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

  function take(queue: Queue, options: ReceiveOptions): Delivery[] {
    const taken: Delivery[] = [];
    while (taken.length < options.max && !paused.has(queue.status)) {
      const queued = queue.heads.pop();
      if (queued === undefined) break;
      if (queued.state !== "due") continue;
      queued.state = "inFlight";
      queued.receipt = `${++receipts}`;
      holdUntil(queued, clock.now() + options.leaseSeconds * 1_000);
      const { orderId, visit, receipt, redelivered } = queued;
      taken.push({ orderId, status: queue.status, visit, receipt, redelivered, messageId: null });
    }
    return taken;
  }

  /** Hands what is due to the receives that wait, and sets the timer for what is not. */
  function serve(): void {
    for (const queue of byStatus.values()) {
      for (const receiver of queue.receivers) {
        const taken = take(queue, receiver.options);
        if (taken.length === 0) break;
        receiver.answer(taken);
      }
    }
    setAlarm();
  }

  function wake(): void {
    const now = clock.now();
    for (let next = times.peek(); next !== undefined && next.at <= now; next = times.peek()) {
      times.pop();
      if (isHeld(next)) makeDue(next.queued, next.queued.state === "inFlight");
    }
    serve();
  }

  function setAlarm(): void {
    let next = times.peek();
    while (next !== undefined && !isHeld(next)) {
      times.pop();
      next = times.peek();
    }
    // An alarm that is early is let ring: it then sets the next, and no commit has to replace a timer.
    if (next !== undefined && alarm !== undefined && alarm.at <= next.at) return;
    alarm?.cancel();
    alarm = undefined;
    if (next === undefined) return;
    const cancel = clock.at(next.at, () => {
      alarm = undefined;
      wake();
    });
    alarm = { at: next.at, cancel };
  }

  return {
    enter(order) {
      remove(order.id);
      delay(join(order), order.notBefore ?? 0);
      serve();
    },

    again(order) {
      delay(byOrder.get(order.id) ?? join(order), order.notBefore ?? 0);
      serve();
    },

    end(orderId) {
      remove(orderId);
      serve();
    },

    stateOf(orderId) {
      wake();
      const state = byOrder.get(orderId)?.state;
      return state === "gone" ? undefined : state;
    },

    async receive(options) {
      const { waitSeconds, signal } = options;
      if (signal?.aborted) return [];
      wake();
      const queue = queueOf(options.status);
      const taken = take(queue, options);
      setAlarm();
      if (taken.length > 0 || waitSeconds <= 0) return taken;
      return new Promise((resolve) => {
        const receiver: Receiver = {
          options,
          answer(deliveries) {
            if (!queue.receivers.delete(receiver)) return;
            cancel();
            signal?.removeEventListener("abort", onAbort);
            resolve(deliveries);
          },
        };
        const onAbort = () => receiver.answer([]);
        const giveUp = () => {
          wake();
          receiver.answer([]);
        };
        const cancel =
          waitSeconds === Number.POSITIVE_INFINITY ? () => {} : clock.at(clock.now() + waitSeconds * 1_000, giveUp);
        signal?.addEventListener("abort", onAbort);
        queue.receivers.add(receiver);
      });
    },

    settle(settled, verdict) {
      wake();
      const queued = byOrder.get(settled.orderId);
      //   receive → receipt 1 → lease runs out → receive → receipt 2
      //                                                       settle(receipt 1): the delivery is somebody else's now
      if (queued?.state !== "inFlight" || queued.receipt !== settled.receipt) return;
      if (verdict.verdict === "done") remove(settled.orderId);
      else delay(queued, verdict.notBefore);
      serve();
    },

    setPaused(status, isPaused) {
      if (isPaused) paused.add(status);
      else {
        paused.delete(status);
        wake();
      }
    },

    paused: () => paused,

    close() {
      alarm?.cancel();
      alarm = undefined;
      for (const queue of byStatus.values()) for (const receiver of queue.receivers) receiver.answer([]);
    },
  };
}

function isEarlier(a: Queued, b: Queued): boolean {
  return a.position < b.position;
}

/** False for a time that no longer counts: the delivery was settled, or holds until another time. */
function isHeld({ at, queued }: { readonly at: number; readonly queued: Queued }): boolean {
  return queued.until === at && (queued.state === "delayed" || queued.state === "inFlight");
}

/** A binary heap: the item that comes before all others is at the top. */
export interface Heap<T> {
  readonly size: number;
  push(item: T): void;
  peek(): T | undefined;
  pop(): T | undefined;
}

export function heap<T>(before: (a: T, b: T) => boolean): Heap<T> {
  const items: T[] = [];
  const at = (index: number): T => items[index] as T;
  const swap = (a: number, b: number) => {
    const held = at(a);
    items[a] = at(b);
    items[b] = held;
  };
  return {
    get size() {
      return items.length;
    },
    push(item) {
      let index = items.push(item) - 1;
      while (index > 0) {
        const parent = (index - 1) >> 1;
        if (!before(at(index), at(parent))) break;
        swap(index, parent);
        index = parent;
      }
    },
    peek() {
      return items[0];
    },
    pop() {
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
