import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { z } from "zod";
import { defineWorkflow } from "../../src/core/defineWorkflow.ts";
import {
  appendPast,
  currentVisit,
  historyFirst,
  historyLast,
  type StoredOrder,
  type Visit,
} from "../../src/core/order.ts";
import { final } from "../../src/core/workflow.ts";
import { given } from "../../src/testing/given.ts";

const looping = defineWorkflow({
  name: "looping",
  data: z.object({}),
  initial: "again",
  visitsMax: 1_000,
  statuses: { again: { to: ["again", "done"] }, done: final },
});

describe("appendPast", () => {
  const { order } = given(looping);
  const visitOf = (visit: number): Visit => ({ ...currentVisit(order), visit });
  const visits = 200;

  /** Gives the numbers of the visits that the history shows during visit `current`. */
  const shown = (past: readonly Visit[], current: number) => [...past.map(({ visit }) => visit), current];

  it("keeps every visit while the history has at most 50", () => {
    let history: Pick<StoredOrder, "past" | "pastOmitted"> = { past: [], pastOmitted: 0 };
    for (let visit = 0; visit < historyFirst + historyLast - 1; visit++) {
      history = appendPast(history, visitOf(visit));
      assert.equal(history.pastOmitted, 0);
      assert.deepEqual(
        shown(history.past, visit + 1),
        Array.from({ length: visit + 2 }, (_, index) => index),
      );
    }
    assert.equal(appendPast(history, visitOf(49)).pastOmitted, 1);
  });

  it("keeps the first 10 visits and the last 40 of a longer history, the current one included, and counts the rest", () => {
    let history: Pick<StoredOrder, "past" | "pastOmitted"> = { past: [], pastOmitted: 0 };
    for (let ended = 0; ended < visits; ended++) {
      history = appendPast(history, visitOf(ended));
      const current = ended + 1;
      const all = shown(history.past, current);
      assert.equal(all.length + history.pastOmitted, current + 1, "shown and omitted add up to all visits");
      if (current < historyFirst + historyLast) continue;
      assert.equal(all.length, historyFirst + historyLast);
      assert.deepEqual(all.slice(0, historyFirst), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
      assert.deepEqual(
        all.slice(-historyLast),
        Array.from({ length: historyLast }, (_, index) => current - historyLast + 1 + index),
      );
    }
    assert.equal(history.pastOmitted, 151);
  });

  it("does not change the history that it is given", () => {
    const past = Object.freeze(Array.from({ length: 49 }, (_, visit) => visitOf(visit)));
    const history = appendPast({ past, pastOmitted: 3 }, visitOf(52));
    assert.equal(past.length, 49);
    assert.equal(history.past.length, 49);
    assert.equal(history.pastOmitted, 4);
  });

  it("is how 200 transitions build an order's history", () => {
    let story = given(looping);
    for (let visit = 1; visit <= visits; visit++) {
      story = story.when({ kind: "moved", to: "again" }).then({ visit, ended: { visit: visit - 1 } });
    }
    const { past, pastOmitted, visit } = story.order;
    assert.equal(past.length + pastOmitted, visit);
    assert.deepEqual([past[9]?.visit, past[10]?.visit, past.at(-1)?.visit], [9, 161, 199]);
  });
});

describe("currentVisit", () => {
  it("is the order's entry with its status, visit and attempts", () => {
    const { order } = given(looping, { visit: 4, attempts: 2, entry: { at: 7, reason: "r", error: "e", key: "k" } });
    assert.deepEqual(currentVisit(order), {
      status: "again",
      visit: 4,
      attempts: 2,
      at: 7,
      reason: "r",
      error: "e",
      by: order.entry.by,
      key: "k",
    });
  });
});
