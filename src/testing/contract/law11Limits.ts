import assert from "node:assert/strict";
import type { ErrorCode } from "../../core/errors.ts";
import { extrasBytesMax } from "../../core/extras.ts";
import type { OrderOptions } from "./orders.ts";
import { both, type Case, isRefused, type Trial } from "./trial.ts";

/** 11. Limits are checked, never clamped. */
export const limited: readonly Case[] = [
  both("the limits are numbers that something fits in", async (trial) => {
    const { limits } = trial.backend;
    for (const [name, value] of Object.entries({ ...limits, ...limits.concurrency, concurrency: 1 })) {
      assert.ok(typeof value === "number" && value > 0, `limits: ${name} is ${value}`);
    }
    const { least, most, default: usual } = limits.concurrency;
    assert.ok(least <= usual && usual <= most, `limits: concurrency ${usual} is not between ${least} and ${most}`);
    assert.ok(Number.isSafeInteger(limits.dataBytesMax), "limits: dataBytesMax is no whole number of bytes");
    assert.ok(Number.isSafeInteger(limits.groupBytesMax), "limits: groupBytesMax is no whole number of bytes");
  }),
  both("data that is too large is refused, and nothing is stored", async (trial) => {
    const { dataBytesMax } = trial.backend.limits;
    await refuses(trial, { dataJson: `"${"x".repeat(dataBytesMax - 1)}"` });
    // The text has fewer characters than the limit, and more bytes.
    await refuses(trial, { dataJson: `"${"漢".repeat(Math.ceil(dataBytesMax / 3))}"` });
  }),
  both("a group key that is too long is refused, and one that just fits is kept", async (trial) => {
    const { groupBytesMax } = trial.backend.limits;
    await refuses(trial, { group: "x".repeat(groupBytesMax + 1) });
    await refuses(trial, { group: "漢".repeat(Math.floor(groupBytesMax / 3) + 1) });
    const group = `${"漢".repeat(Math.floor((groupBytesMax - 2) / 3))}${"x".repeat(2 + ((groupBytesMax - 2) % 3))}`;
    assert.equal(Buffer.byteLength(group), groupBytesMax);
    const order = await trial.place({ group });
    assert.equal((await trial.get(order.id)).group, group);
    assert.deepEqual(await trial.list({ group }, 1), [order]);
  }),
  both("a group key with half of a surrogate pair is refused, and nothing is stored", async (trial) => {
    // UTF-8 has one character for all of them, so that a store would take two groups for one.
    for (const group of ["\ud800", "a\udfff", "\udc00\ud800"]) await refuses(trial, { group }, "invalid_data");
    const pair = await trial.place({ group: "\ud83d\ude00" });
    assert.deepEqual(await trial.list({ group: "\ud83d\ude00" }, 1), [pair]);
  }),
  both("extras that are too large are refused, and nothing is stored", async (trial) => {
    await refuses(trial, { extrasJson: `"${"x".repeat(extrasBytesMax - 1)}"` });
    await refuses(trial, { extrasJson: `"${"漢".repeat(Math.ceil(extrasBytesMax / 3))}"` });
  }),
];

async function refuses(trial: Trial, options: OrderOptions, code: ErrorCode = "limit_exceeded"): Promise<void> {
  await isRefused(code, trial.offer({ ...options, key: "k" }), "a placing past a limit");
  await trial.list({}, 0);
  await trial.receiveNothing("received");
}
