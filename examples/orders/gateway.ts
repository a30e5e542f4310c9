import { hash } from "node:crypto";

export interface Charge {
  /** The same key charges once: a repeat gives the first payment again. */
  readonly idempotencyKey: string;
  readonly amount: number;
  readonly currency: string;
  /** The article's number decides: `FLAKY…` fails twice, `DOWN…` always, and `DECLINE…` is declined. */
  readonly skus: readonly string[];
  readonly signal?: AbortSignal;
}

export type Payment = { readonly declined: false; readonly id: string } | { readonly declined: true };

export type Gateway = ReturnType<typeof openGateway>;

// Real gateways forget a key after a day or so. This one forgets a key after at least this many later keys.
const remembered = 10_000;

/** Remembers the entries that were set last, and forgets the oldest half at a time. */
function createMemory<T>() {
  let recent = new Map<string, T>();
  let older = new Map<string, T>();
  return {
    get: (key: string): T | undefined => recent.get(key) ?? older.get(key),
    set(key: string, value: T): T {
      if (recent.size >= remembered) {
        older = recent;
        recent = new Map();
      }
      recent.set(key, value);
      return value;
    },
  };
}

/** A payment gateway in memory that behaves like one outside: it may fail, decline, or get the same charge twice. */
export function openGateway() {
  const payments = createMemory<Payment>();
  const failures = createMemory<number>();
  let calls = 0;
  let charges = 0;

  return {
    /** How often a handler asked for a charge. */
    get calls() {
      return calls;
    },
    /** How often money moved. */
    get charges() {
      return charges;
    },
    async charge({ idempotencyKey, skus, signal }: Charge): Promise<Payment> {
      calls++;
      signal?.throwIfAborted();
      const earlier = payments.get(idempotencyKey);
      if (earlier !== undefined) return earlier;

      const has = (prefix: string) => skus.some((sku) => sku.startsWith(prefix));
      if (has("DOWN")) throw new Error("the payment gateway is down");
      if (has("FLAKY")) {
        const failed = failures.get(idempotencyKey) ?? 0;
        if (failed < 2) {
          failures.set(idempotencyKey, failed + 1);
          throw new Error("the payment gateway did not answer");
        }
      }
      if (has("DECLINE")) return payments.set(idempotencyKey, { declined: true });
      charges++;
      const id = `pay_${hash("sha256", idempotencyKey).slice(0, 24)}`;
      return payments.set(idempotencyKey, { declined: false, id });
    },
  };
}
