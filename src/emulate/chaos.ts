import type { Random } from "../core/clock.ts";
import type { Disorder, SourceRecord } from "./lambda/eventSources.ts";
import type { Fate, Hook } from "./services/call.ts";

/** How often each fault strikes, as a share of 1. */
export interface ChaosShares {
  /** Tries of a call that fail and change nothing. The SDK tries again. */
  readonly failBefore: number;
  /** Tries of a call that take effect and whose response is lost. The SDK tries again. */
  readonly failAfter: number;
  /** Calls of which every try fails. */
  readonly failAlways: number;
  /** Tries of a call that take up to 300 ms longer. */
  readonly delay: number;
  /** Messages of a standard queue that come a second time. */
  readonly twice: number;
  /** Messages of a standard queue that come after newer messages. */
  readonly later: number;
  /** Invocations whose process is killed within 100 ms. */
  readonly kill: number;
}

export const defaultShares: ChaosShares = {
  failBefore: 0.02,
  failAfter: 0.02,
  failAlways: 0.003,
  delay: 0.02,
  twice: 0.05,
  later: 0.1,
  kill: 0.005,
};

const noneStruck = { failedBefore: 0, failedAfter: 0, delayed: 0, twice: 0, later: 0, killed: 0, subscriptionsLate: 0 };

/** How often each fault struck. */
export type ChaosCounts = Readonly<typeof noneStruck>;

export interface Chaos {
  readonly hook: Hook;
  readonly disorder: Disorder;
  /** Draws after how many milliseconds a subscription works. */
  subscriptionDelayMilliseconds(): number;
  /** Draws after how many milliseconds the process of a new invocation is killed. Undefined: never. */
  killAfterMilliseconds(): number | undefined;
  /** Counts a process that was killed. An invocation may end before its process would be killed. */
  onKilled(): void;
  readonly counts: ChaosCounts;
}

const delayMillisecondsMax = 300;
const subscriptionMillisecondsMax = 3_000;
const killMillisecondsMax = 100;
/** At most 100 messages of a queue are held back at a time. */
const keptMax = 100;

/** Makes the faults of AWS. They are drawn from `random`: the same draws give the same faults for the same calls. */
export function createChaos(random: Random, shares: ChaosShares = defaultShares): Chaos {
  const counts = { ...noneStruck };
  const doomed = new Set<string>();
  const kept = new Map<string, SourceRecord[]>();

  const drawFate = (id: string): Fate => {
    if (doomed.has(id)) return "failBefore";
    let draw = random();
    const strikes = (share: number): boolean => {
      draw -= share;
      return draw < 0 && draw >= -share;
    };
    if (strikes(shares.failAlways)) {
      doomed.add(id);
      return "failBefore";
    }
    if (strikes(shares.failBefore)) return "failBefore";
    if (strikes(shares.failAfter)) return "failAfter";
    if (strikes(shares.delay)) return { delayMilliseconds: Math.ceil(random() * delayMillisecondsMax) };
    return "pass";
  };

  return {
    hook({ id, operation }) {
      // A failed long poll proves nothing: the mapping just polls again. `disorder` mixes its messages instead.
      if (operation === "ReceiveMessage") return "pass";
      const fate = drawFate(id);
      if (fate === "failBefore") counts.failedBefore++;
      else if (fate === "failAfter") counts.failedAfter++;
      else if (fate !== "pass") counts.delayed++;
      return fate;
    },
    disorder(queue, records) {
      const own = kept.get(queue) ?? [];
      kept.set(queue, own);
      const now: SourceRecord[] = own.splice(0, Math.ceil(random() * own.length));
      for (const record of records) {
        const draw = random();
        if (draw < shares.twice && own.length < keptMax) {
          counts.twice++;
          own.push(record);
        }
        if (draw > 1 - shares.later && own.length < keptMax) {
          counts.later++;
          own.push(record);
        } else now.push(record);
      }
      // A batch never holds the same message twice.
      const distinct = new Map(now.map((record) => [record.messageId, record]));
      return shuffled([...distinct.values()], random);
    },
    subscriptionDelayMilliseconds() {
      counts.subscriptionsLate++;
      return Math.ceil(random() * subscriptionMillisecondsMax);
    },
    killAfterMilliseconds() {
      if (random() >= shares.kill) return undefined;
      return Math.ceil(random() * killMillisecondsMax);
    },
    onKilled() {
      counts.killed++;
    },
    counts,
  };
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const left = [...items];
  const mixed: T[] = [];
  while (left.length > 0) mixed.push(...left.splice(Math.floor(random() * left.length), 1));
  return mixed;
}

/** Makes a random number generator (mulberry32). The same seed gives the same numbers. */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
