import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createGroups } from "../../../../src/backend/aws/queue/inFlight.ts";
import { lease } from "../support.ts";

const paid = "paid";
const packed = "packed";

describe("a group", () => {
  it("gives one of its messages at a time, the next when that one has left, in their order", () => {
    const groups = createGroups();
    const [first, second, third] = [lease(paid, "a"), lease(paid, "a"), lease(paid, "a")];
    assert.deepEqual(groups.arrive([first, second, third]), [first]);
    assert.deepEqual(groups.takeReady(paid, 10), []);
    groups.left(first);
    assert.deepEqual(groups.takeReady(paid, 10), [second]);
    assert.deepEqual(groups.takeReady(paid, 10), []);
    groups.left(second);
    assert.deepEqual(groups.takeReady(paid, 10), [third]);
    groups.left(third);
    assert.deepEqual(groups.takeReady(paid, 10), []);
  });

  it("gives back the messages behind one that comes again, in their order, and once", () => {
    const groups = createGroups();
    const [first, second, third] = [lease(paid, "a"), lease(paid, "a"), lease(paid, "a")];
    groups.arrive([first, second, third]);
    assert.deepEqual(groups.stays(first), [second, third]);
    assert.deepEqual(groups.stays(first), []);
    groups.left(first);
    assert.deepEqual(groups.takeReady(paid, 10), []);
  });

  it("gives back only the messages that are still behind", () => {
    const groups = createGroups();
    const [first, second, third] = [lease(paid, "a"), lease(paid, "a"), lease(paid, "a")];
    groups.arrive([first, second, third]);
    groups.left(first);
    assert.deepEqual(groups.takeReady(paid, 10), [second]);
    assert.deepEqual(groups.stays(second), [third]);
  });

  it("is held back by no other group, and not by a group of the same name in another queue", () => {
    const groups = createGroups();
    const [a1, b1, a2, b2] = [lease(paid, "a"), lease(paid, "b"), lease(paid, "a"), lease(paid, "b")];
    const elsewhere = [lease(packed, "a"), lease(packed, "a")];
    assert.deepEqual(groups.arrive([a1, b1, a2, b2]), [a1, b1]);
    assert.deepEqual(groups.arrive(elsewhere), [elsewhere[0]]);
    groups.left(b1);
    assert.deepEqual(groups.takeReady(packed, 10), []);
    assert.deepEqual(groups.takeReady(paid, 10), [b2]);
    assert.deepEqual(groups.stays(a1), [a2]);
    groups.left(elsewhere[0] as (typeof elsewhere)[0]);
    assert.deepEqual(groups.takeReady(packed, 10), [elsewhere[1]]);
  });

  it("forgets the messages that waited in it once their leases have run out and the queue gives one again", () => {
    const groups = createGroups();
    const [first, late, again] = [lease(paid, "a"), lease(paid, "a"), lease(paid, "a")];
    groups.arrive([first, late]);
    assert.deepEqual(groups.arrive([again]), [again]);
    groups.left(again);
    assert.deepEqual(groups.takeReady(paid, 10), []);
  });

  it("does not exist for messages without a group, which are all given", () => {
    const groups = createGroups();
    const all = [lease(paid, null), lease(paid, null)];
    assert.deepEqual(groups.arrive(all), all);
  });
});

describe("a group's next message", () => {
  const readied = (...names: readonly string[]) => {
    const groups = createGroups();
    const next = names.map((name) => {
      const [head, follower] = [lease(paid, name), lease(paid, name)];
      groups.arrive([head, follower]);
      return { leave: () => groups.left(head), follower };
    });
    return { groups, next };
  };

  it("is taken in the order in which groups became ready, as many as are asked for", () => {
    const { groups, next } = readied("a", "b", "c");
    for (const { leave } of next.toReversed()) leave();
    const [a, b, c] = next.map(({ follower }) => follower);
    assert.deepEqual(groups.takeReady(paid, 2), [c, b]);
    assert.deepEqual(groups.takeReady(paid, 2), [a]);
  });

  it("wakes every receiver that waits for its queue, once, and no other", () => {
    const { groups, next } = readied("a", "b");
    const woken: string[] = [];
    groups.onReady(paid, () => woken.push("one"));
    groups.onReady(paid, () => woken.push("two"));
    groups.onReady(paid, () => woken.push("gone"))();
    groups.onReady(packed, () => woken.push("elsewhere"));
    next[0]?.leave();
    assert.deepEqual(woken, ["one", "two"]);
    next[1]?.leave();
    assert.deepEqual(woken, ["one", "two"]);
  });

  it("wakes no receiver where no message stood behind the one that left", () => {
    const groups = createGroups();
    const head = lease(paid, "a");
    groups.arrive([head]);
    groups.onReady(paid, () => assert.fail("woken for nothing"));
    groups.left(head);
  });
});
