import { defineWorkflow, final } from "cauce";
import * as z from "zod";

// #region data
const data = z.object({
  applicantId: z.string().min(1).max(50),
  email: z.email(),
  amount: z.int().min(100).max(50_000),
  wantedBy: z.iso.date().optional(),
});

const results = z.object({ score: z.int(), transferId: z.string() }).partial();
// #endregion

// #region workflow
export const loans = defineWorkflow({
  name: "loans",
  data,
  results,
  group: ({ applicantId }) => applicantId,
  initial: "received",
  visitsMax: 20,
  statuses: {
    received: { to: ["assessing"] },
    assessing: {
      to: ["approved", "declined", "awaitingPayslip"],
      timeoutSeconds: 60,
      concurrency: 5,
      retry: { attempts: 6, baseSeconds: 2, maxSeconds: 600 },
      exhausted: "deskReview",
    },
    awaitingPayslip: {
      to: ["assessing", "withdrawn"],
      waits: true,
      expires: { afterSeconds: 14 * 86_400, to: "withdrawn" },
    },
    deskReview: { to: ["approved", "declined"], waits: true },
    approved: { to: ["paidOut"], timeoutSeconds: 20 },
    paidOut: final,
    declined: final,
    withdrawn: final,
  },
});
// #endregion
