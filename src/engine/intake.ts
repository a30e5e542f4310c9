import { performance } from "node:perf_hooks";
import type { Clock } from "../core/clock.ts";

/** The slots of one status: how many handlers may run at once, and whether more orders are ready than slots. */
export interface Slots {
  readonly all: number;
  /** Whether the store had a delivery for every slot that the last receive asked for. */
  isFull(): boolean;
  /** Counts the slots whose handler runs. */
  handling(): number;
}

interface IntakeState {
  /** How many placings are let in at once. */
  readonly width: number;
  /** Placings that are let in and not yet stored or refused. */
  readonly placing: number;
  /** Placings that wait to be let in. */
  readonly waiting: number;
  /** Placings that were refused with `overloaded`. */
  readonly refused: number;
}

/** Who places: one caller a placing (HTTP), or a program or stream that may hand over thousands at once. */
export type Lane = "single" | "bulk";

/**
 * The gate that every placing of this process passes before its checks. All workflows share it, since they share the
 * thread.
 */
export interface Intake {
  /** Lets a placing in, and gives undefined. Where there is no room, gives a promise of whether it is let in. */
  enter(lane: Lane): Promise<boolean> | undefined;
  /** A placing that is in has so many characters of data. */
  took(characters: number): void;
  /** A placing that was let in has ended. `characters`: as told to `took`. */
  left(characters: number): void;
  /** Counts the slots of a status as long as it is polled. The returned function ends that. */
  watch(slots: Slots): () => void;
  state(): IntakeState;
}

/** As wide as the gate ever is: a bound for what this process holds of orders that are not stored yet. */
export const widthMax = 4_096;
/** Below this the writer's batches become so small that intake and processing both lose. */
export const widthMin = 16;
// The data of all placings that are in. One placing is let in above it, so the largest order always passes.
const charactersMax = 67_108_864;
/** After this long, a placing that is held back is refused. */
export const waitSecondsMax = 2;

// Fast enough to follow a burst, and long enough that a decision rests on several turns of the event loop.
const sampleMilliseconds = 4;
const decideMilliseconds = 50;

interface IntakeOptions {
  readonly clock: Clock;
  /** The share of the time since its last call for which this thread was busy, 0 to 1. */
  readonly busyShare?: () => number;
}

/**
 * Makes the gate. Intake and processing share one thread. Where clients place faster than the thread can process, each
 * turn of the event loop would bring more placings than the slots of a status can take on, and the thread would store
 * orders in place of ending them. So the gate becomes narrower while two things hold at once: the thread is busy, and the
 * store has more deliveries of a status than slots, though handlers do not hold them. Orders that wait for their handlers
 * hold nothing back.
 */
export function createIntake({ clock, busyShare = createBusyShare() }: IntakeOptions): Intake {
  const lanes = { single: createLine<Waiting>(), bulk: createLine<Waiting>() };
  const gate = createWidth(clock, busyShare);
  let placing = 0;
  let characters = 0;
  let refused = 0;
  let lastLane: Lane = "bulk";
  let cancelAlarm: (() => void) | undefined;

  const hasRoom = () => placing < gate.width && (characters < charactersMax || placing === 0);
  const waiting = () => lanes.single.length + lanes.bulk.length;

  const letWaitingIn = () => {
    while (waiting() > 0 && hasRoom()) {
      const other: Lane = lastLane === "single" ? "bulk" : "single";
      if (lanes[other].length > 0) lastLane = other;
      placing++;
      lanes[lastLane].shift()?.end(true);
    }
    if (waiting() > 0) return;
    cancelAlarm?.();
    cancelAlarm = undefined;
  };
  const refuseLate = () => {
    cancelAlarm = undefined;
    gate.look(placing);
    letWaitingIn();
    const lateSince = clock.monotonic() - waitSecondsMax * 1_000;
    for (const lane of Object.values(lanes)) {
      while (gate.overloaded && (lane.first?.since ?? Number.POSITIVE_INFINITY) <= lateSince) {
        refused++;
        lane.shift()?.end(false);
      }
    }
    if (waiting() > 0) arm();
  };
  const arm = () => {
    const first = Math.min(...Object.values(lanes).map((lane) => lane.first?.since ?? Number.POSITIVE_INFINITY));
    const left = first + waitSecondsMax * 1_000 - clock.monotonic();
    // A placing that is late and not refused is looked at again with the next decision.
    cancelAlarm = clock.after(Math.max(left, decideMilliseconds), refuseLate);
  };

  return {
    enter(lane) {
      gate.look(placing);
      if (waiting() === 0 && hasRoom()) {
        placing++;
        return undefined;
      }
      return new Promise((end) => {
        lanes[lane].push({ since: clock.monotonic(), end });
        if (cancelAlarm === undefined) arm();
      });
    },
    took(more) {
      characters += more;
    },
    left(fewer) {
      // Where placings wait, none enters, and this is the only look.
      if (waiting() > 0) gate.look(placing);
      placing--;
      characters -= fewer;
      if (waiting() > 0) letWaitingIn();
    },
    watch: gate.watch,
    state: () => ({ width: gate.width, placing, waiting: waiting(), refused }),
  };
}

/** Decides how many placings are let in at once. */
function createWidth(clock: Clock, busyShare: () => number) {
  const watched = new Set<Watched>();
  let width = widthMax;
  let peak = 0;
  let overloaded = false;
  let sampledAt = clock.monotonic();
  let decidedAt = sampledAt;

  return {
    get width() {
      return width;
    },
    /** Whether deliveries waited for the thread when it was decided last. */
    get overloaded() {
      return overloaded;
    },
    watch(slots: Slots): () => void {
      const each: Watched = { slots, samples: 0, full: 0, handling: 0 };
      watched.add(each);
      return () => watched.delete(each);
    },
    /** Looks at the slots, and decides again every `decideMilliseconds`. `placing`: how many placings are in. */
    look(placing: number): void {
      if (placing > peak) peak = placing;
      const now = clock.monotonic();
      if (now - sampledAt < sampleMilliseconds) return;
      sampledAt = now;
      for (const each of watched) sample(each);
      if (now - decidedAt < decideMilliseconds) return;
      decidedAt = now;
      // Ask in any case: the share is that since the last call.
      const isBusy = busyShare() >= busyShareMin;
      overloaded = [...watched].map(takeStarved).some(Boolean) && isBusy;
      width = nextWidth(width, { peak, overloaded });
      peak = placing;
    },
  };
}

interface Waiting {
  readonly since: number;
  readonly end: (isIn: boolean) => void;
}

/** What was seen of the slots of one status since the last decision. */
interface Watched {
  readonly slots: Slots;
  samples: number;
  full: number;
  handling: number;
}

function sample(each: Watched): void {
  each.samples++;
  if (each.slots.isFull()) each.full++;
  each.handling += each.slots.handling();
}

const busyShareMin = 0.7;
const fullShareMin = 0.5;
// A handler that waits for the network for some milliseconds holds its slot for about as long as the thread makes the
// commit wait. Above this share it is the handlers that orders wait for.
const handlingShareMax = 0.75;

/** Whether deliveries of the status could run but for the thread; and begins to count again. */
function takeStarved(each: Watched): boolean {
  const { slots, samples, full, handling } = each;
  each.samples = each.full = each.handling = 0;
  return full > fullShareMin * samples && handling < handlingShareMax * samples * slots.all;
}

/**
 * Decides how wide the gate is next. Overloaded, it falls by a fifth below what was in at once; else it grows by a tenth.
 */
export function nextWidth(width: number, seen: { readonly peak: number; readonly overloaded: boolean }): number {
  if (seen.overloaded) return Math.max(widthMin, Math.floor(Math.min(width, seen.peak) * 0.8));
  return Math.min(widthMax, Math.ceil(width * 1.1));
}

function createBusyShare(): () => number {
  let last = performance.eventLoopUtilization();
  return () => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, last);
    last = now;
    return utilization;
  };
}

/** A line of which the first leave. An array's `shift` would move all that stand behind, and thousands may stand there. */
function createLine<T>() {
  let items: T[] = [];
  let at = 0;
  return {
    get length() {
      return items.length - at;
    },
    get first(): T | undefined {
      return items[at];
    },
    push: (item: T) => void items.push(item),
    shift(): T | undefined {
      const item = items[at++];
      if (at > 1_024 && at * 2 > items.length) {
        items = items.slice(at);
        at = 0;
      }
      return item;
    },
  };
}
