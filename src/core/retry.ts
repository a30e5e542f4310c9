import type { Random } from "./clock.ts";

/** When a failed attempt is tried again: exponential backoff with full jitter. */
export interface RetryPolicy {
  /** How many times the handler may run within one visit, the first included. Default 5. */
  readonly attempts?: number;
  /** The longest delay before the second attempt, in seconds; it doubles with each further one. Default 1. */
  readonly baseSeconds?: number;
  /** No delay is longer than this many seconds. Default 300. */
  readonly maxSeconds?: number;
}

/** The longest delay or expiry that a definition may ask for: 100 years, which keeps every date within ISO 8601's four-digit years. */
export const longestDelaySeconds = 3_155_760_000;

export const defaultRetry = { attempts: 5, baseSeconds: 1, maxSeconds: 300 } as const satisfies Required<RetryPolicy>;

/**
 * Seconds until the next try after `attempts` failed ones: a random point between 0 and
 * `min(maxSeconds, baseSeconds × 2^(attempts − 1))`. Full jitter spreads orders that failed together
 * (AWS Architecture Blog, "Exponential Backoff And Jitter").
 */
export function retryDelaySeconds(policy: Required<RetryPolicy>, attempts: number, random: Random): number {
  const ceiling = Math.min(policy.maxSeconds, policy.baseSeconds * 2 ** (attempts - 1));
  return random() * ceiling;
}
