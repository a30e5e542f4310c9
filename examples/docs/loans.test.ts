import assert from "node:assert/strict";
import { test } from "node:test";
import { given, testWorkflow } from "cauce/testing";
import app from "./loans.app.ts";
import { loans } from "./loans.workflow.ts";
import { openServices } from "./services.ts";

// #region decisions
test("an assessment that fails six times goes to the desk", () => {
  given(loans, { status: "assessing", attempts: 5 })
    .when({ kind: "failed", code: "handler_failed", message: "no answer" })
    .then({ status: "deskReview", visit: 1, delivery: "end" });
});

test("a payslip that never comes withdraws the application, and not a second before its time", () => {
  const waiting = given(loans, { status: "awaitingPayslip" });
  waiting
    .afterSeconds(14 * 86_400 - 1)
    .when({ kind: "expired" })
    .refused("stale");
  waiting
    .afterSeconds(14 * 86_400)
    .when({ kind: "expired" })
    .then({ status: "withdrawn", delivery: "end" });
});
// #endregion

// #region whole
const application = { applicantId: "a-1", email: "ada@example.com", amount: 5_000 };

test("paid out, asked again, or withdrawn: each loan goes its way", async () => {
  await using bank = await testWorkflow(app);

  const paid = await bank.place(application);
  assert.equal(paid.status, "paidOut");
  assert.deepEqual(paid.results, { score: 710, transferId: "transfer-1" });

  const busy = await bank.place({ ...application, applicantId: "BUSY-1" });
  assert.equal(busy.status, "assessing");
  await bank.advance({ seconds: 30 });
  assert.equal((await bank.get(busy.id)).status, "paidOut");

  const forgotten = await bank.place({ ...application, applicantId: "PAYSLIP-1" });
  assert.equal(forgotten.status, "awaitingPayslip");
  await bank.advance({ seconds: 14 * 86_400 });
  assert.equal((await bank.get(forgotten.id)).status, "withdrawn");
});
// #endregion

// #region fakes
test("an agency that is down is asked six times, and then the desk decides", async (t) => {
  const services = openServices();
  t.after(() => services.register.close());
  const agency = { assess: () => Promise.reject(new Error("down")) };
  await using bank = await testWorkflow(app, { resources: { ...services, agency } });

  const { id } = await bank.place(application);
  await bank.advance({ seconds: 3_600 });
  assert.deepEqual(
    bank.attempts(id).map(({ status, attempt, outcome, at }) => [status, attempt, outcome, at.slice(11, 19)]),
    [
      ["received", 1, "moved", "00:00:00"],
      ["assessing", 1, "retried", "00:00:00"],
      ["assessing", 2, "retried", "00:00:01"],
      ["assessing", 3, "retried", "00:00:03"],
      ["assessing", 4, "retried", "00:00:07"],
      ["assessing", 5, "retried", "00:00:15"],
      ["assessing", 6, "failed", "00:00:31"],
    ],
  );
  assert.equal((await bank.transition(id, { to: "approved", reason: "a known customer" })).status, "paidOut");
});
// #endregion

// #region timeout
test("an agency that never answers is given up after a minute", async (t) => {
  const services = openServices();
  t.after(() => services.register.close());
  const resources = { ...services, agency: { assess: () => new Promise<never>(() => {}) } };
  await using bank = await testWorkflow(app, { resources, patienceSeconds: 0.05 });

  const [loan] = await Promise.all([bank.place(application), bank.advance({ seconds: 60 })]);
  assert.match(bank.attempts(loan.id).at(-1)?.error ?? "", /did not end within 60 s/);
});
// #endregion

// #region fifo
test("one customer's loans are assessed in turn", async () => {
  await using bank = await testWorkflow(app, { delivery: "fifo" });
  const first = await bank.place({ ...application, applicantId: "BUSY-1" });
  const second = await bank.place({ ...application, applicantId: "BUSY-1", amount: 100 });
  assert.equal(bank.attempts(second.id).length, 1, "it waits behind the first");
  await bank.advance({ seconds: 60 });
  assert.equal((await bank.get(first.id)).status, "paidOut");
  assert.equal((await bank.get(second.id)).status, "paidOut");
});
// #endregion
