import { DatabaseSync } from "node:sqlite";

/** What the agency says of an applicant. */
export type Assessment =
  | { readonly kind: "scored"; readonly score: number }
  | { readonly kind: "unknown" }
  | { readonly kind: "busy"; readonly freeAfterSeconds: number }
  | { readonly kind: "payslipMissing" };

export type Services = ReturnType<typeof openServices>;

/** What the loans' handlers share. It lives in memory, so that the samples need no service outside. */
export function openServices() {
  return { agency: openAgency(), bank: openBank(), register: openRegister() };
}

/** The applicant's id decides the answer: the second call scores `BUSY…` and `PAYSLIP…`, and no call scores `UNKNOWN…`. */
function openAgency() {
  const asked = new Set<string>();
  return {
    async assess(applicantId: string, signal: AbortSignal): Promise<Assessment> {
      signal.throwIfAborted();
      const first = !asked.has(applicantId);
      asked.add(applicantId);
      if (applicantId.startsWith("UNKNOWN")) return { kind: "unknown" };
      if (first && applicantId.startsWith("BUSY")) return { kind: "busy", freeAfterSeconds: 30 };
      if (first && applicantId.startsWith("PAYSLIP")) return { kind: "payslipMissing" };
      return { kind: "scored", score: applicantId.startsWith("POOR") ? 420 : 710 };
    },
  };
}

/** Moves money once for each key, however often the handler calls. */
function openBank() {
  const transfers = new Map<string, { id: string; to: string; amount: number }>();
  return {
    async transfer(order: { idempotencyKey: string; to: string; amount: number; signal: AbortSignal }) {
      order.signal.throwIfAborted();
      const { idempotencyKey, to, amount } = order;
      const earlier = transfers.get(idempotencyKey);
      if (earlier !== undefined) return earlier;
      const transfer = { id: `transfer-${transfers.size + 1}`, to, amount };
      transfers.set(idempotencyKey, transfer);
      return transfer;
    },
  };
}

// #region register
function openRegister() {
  const db = new DatabaseSync(":memory:");
  db.exec("CREATE TABLE loans (id TEXT PRIMARY KEY, email TEXT NOT NULL, amount INTEGER NOT NULL)");
  const insert = db.prepare("INSERT INTO loans VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET email = excluded.email");
  return {
    /** Running it twice leaves what running it once leaves. */
    upsert: (row: { loanId: string; email: string; amount: number }) => insert.run(row.loanId, row.email, row.amount),
    close: () => db.close(),
  };
}
// #endregion
