import { type DataOf, defineWorkflow, final, type Handler, implement } from "cauce";
import { z } from "zod";

// A workflow in a project that installed the package, in TypeScript, with types of its own to strip.
export const claims = defineWorkflow({
  name: "claims",
  data: z.object({ policy: z.string(), amount: z.number().positive() }),
  results: z.object({ paid: z.number() }).partial(),
  group: ({ policy }) => policy,
  initial: "received",
  statuses: {
    received: { to: ["approved", "assessing"], timeoutSeconds: 5 },
    assessing: { to: ["approved", "refused"], waits: true, expires: { afterSeconds: 86_400, to: "refused" } },
    approved: { to: ["paid"], retry: { attempts: 3, baseSeconds: 1, maxSeconds: 10 } },
    paid: final,
    refused: final,
  },
});

export type Claim = DataOf<typeof claims>;

const isSmall = (claim: Claim): boolean => claim.amount < 1_000;

interface Bank {
  pay(amount: number, options: { readonly key: string; readonly signal: AbortSignal }): Promise<number>;
}

const approved: Handler<typeof claims, "approved", { bank: Bank }> = async (
  { data },
  { bank, idempotencyKey, signal },
) => ({ to: "paid", results: { paid: await bank.pay(data.amount, { key: idempotencyKey, signal }) } });

export default implement(claims, {
  resources: (): { bank: Bank } => ({ bank: { pay: async (amount) => amount } }),
  handlers: { received: ({ data }) => (isSmall(data) ? "approved" : "assessing"), approved },
});
