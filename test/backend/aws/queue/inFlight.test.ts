import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createLeases } from "../../../../src/backend/aws/queue/inFlight.ts";
import { fakeClock } from "../../../../src/testing/fakeClock.ts";
import { lease } from "../support.ts";

const status = "paid";

describe("a message in flight", () => {
  it("is found by its receipt and by its visit, until it ends", () => {
    const leases = createLeases(fakeClock());
    const one = lease(status, null);
    const repeat = lease(status, null, { orderId: one.orderId });
    const next = lease(status, null, { orderId: one.orderId, visit: 1 });
    for (const each of [one, repeat, next]) leases.add(each);
    const { orderId: id } = one;
    assert.equal(leases.byReceipt(one.receipt), one);
    assert.deepEqual(leases.ofVisit({ id, visit: 0 }), [one, repeat]);
    assert.deepEqual(leases.ofVisit({ id, visit: 1 }), [next]);
    leases.end(one);
    assert.equal(leases.byReceipt(one.receipt), undefined);
    assert.deepEqual(leases.ofVisit({ id, visit: 0 }), [repeat]);
    leases.end(repeat);
    assert.deepEqual([leases.ofVisit({ id, visit: 0 }), leases.ofVisit({ id, visit: 1 })], [[], [next]]);
  });

  it("is no longer found once its lease has run out, and not before", () => {
    const clock = fakeClock(0);
    const leases = createLeases(clock);
    const one = lease(status, null, { endsAt: 60_000 });
    leases.add(one);
    clock.advance(59.999);
    assert.equal(leases.byReceipt(one.receipt), one);
    assert.deepEqual(leases.ofVisit({ id: one.orderId, visit: 0 }), [one]);
    clock.advance(0.001);
    assert.equal(leases.byReceipt(one.receipt), undefined);
    assert.deepEqual(leases.ofVisit({ id: one.orderId, visit: 0 }), []);
  });

  it("is not ended by the end of an earlier lease of the same message", () => {
    const clock = fakeClock(0);
    const leases = createLeases(clock);
    const early = lease(status, null, { endsAt: 10_000 });
    leases.add(early);
    clock.advance(20);
    const renewed = { ...early, receipt: "another", endsAt: 60_000 };
    leases.add(renewed);
    leases.end(early);
    assert.deepEqual(leases.ofVisit({ id: early.orderId, visit: 0 }), [renewed]);
  });

  it("is dropped where it was never answered and its lease is over when the next message comes", () => {
    let now = 0;
    const leases = createLeases({ ...fakeClock(), now: () => now });
    const late = [lease(status, null, { endsAt: 1 }), lease(status, null, { endsAt: 2 })];
    for (const each of late) leases.add(each);
    now = 2;
    leases.add(lease(status, null));
    // If messages were kept and only passed over, a clock that is set back would show them.
    now = 0;
    for (const { receipt, orderId } of late) {
      assert.equal(leases.byReceipt(receipt), undefined);
      assert.deepEqual(leases.ofVisit({ id: orderId, visit: 0 }), []);
    }
  });
});
