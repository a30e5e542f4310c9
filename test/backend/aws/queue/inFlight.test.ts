import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createFlights } from "../../../../src/backend/aws/queue/inFlight.ts";
import { fakeClock } from "../../../../src/testing/fakeClock.ts";
import { flight } from "../support.ts";

const url = "https://sqs/orders-paid";

describe("a message in flight", () => {
  it("is found by its receipt and by its visit, until it ends", () => {
    const flights = createFlights(fakeClock());
    const one = flight(url, null);
    const repeat = { ...flight(url, null), reference: one.reference };
    const next = { ...flight(url, null), reference: { ...one.reference, visit: 1 } };
    for (const each of [one, repeat, next]) flights.add(each);
    const { id } = one.reference;
    assert.equal(flights.byReceipt(one.receipt), one);
    assert.deepEqual(flights.of(id, 0), [one, repeat]);
    assert.deepEqual(flights.of(id, 1), [next]);
    flights.end(one);
    assert.equal(flights.byReceipt(one.receipt), undefined);
    assert.deepEqual(flights.of(id, 0), [repeat]);
    flights.end(repeat);
    assert.deepEqual([flights.of(id, 0), flights.of(id, 1)], [[], [next]]);
  });

  it("is no longer found once its lease has run out, and not before", () => {
    const clock = fakeClock(0);
    const flights = createFlights(clock);
    const one = flight(url, null, { leaseEndsAt: 60_000 });
    flights.add(one);
    clock.advance(59.999);
    assert.equal(flights.byReceipt(one.receipt), one);
    assert.deepEqual(flights.of(one.reference.id, 0), [one]);
    clock.advance(0.001);
    assert.equal(flights.byReceipt(one.receipt), undefined);
    assert.deepEqual(flights.of(one.reference.id, 0), []);
  });

  it("is not ended by the end of an earlier lease of the same message", () => {
    const clock = fakeClock(0);
    const flights = createFlights(clock);
    const early = flight(url, null, { leaseEndsAt: 10_000 });
    flights.add(early);
    clock.advance(20);
    const renewed = { ...early, receipt: "another", leaseEndsAt: 60_000 };
    flights.add(renewed);
    flights.end(early);
    assert.deepEqual(flights.of(early.reference.id, 0), [renewed]);
  });

  it("is dropped where it was never answered and its lease is over when the next message comes", () => {
    let now = 0;
    const flights = createFlights({ ...fakeClock(), now: () => now });
    const late = [flight(url, null, { leaseEndsAt: 1 }), flight(url, null, { leaseEndsAt: 2 })];
    for (const each of late) flights.add(each);
    now = 2;
    flights.add(flight(url, null));
    // If messages were kept and only passed over, a clock that is set back would show them.
    now = 0;
    for (const { receipt, reference } of late) {
      assert.equal(flights.byReceipt(receipt), undefined);
      assert.deepEqual(flights.of(reference.id, 0), []);
    }
  });
});
