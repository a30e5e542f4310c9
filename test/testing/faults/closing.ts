import { CauceError } from "../../../src/core/errors.ts";
import { type Fault, standard } from "./fault.ts";

const never = new Promise<never>(() => {});

/** The faults against laws 11 and 12. */
export const closing: readonly Fault[] = [
  {
    ...standard,
    law: 11,
    name: "data that is too large is cut",
    wrap: (right) => ({
      place: (order) => right.place({ ...order, dataJson: order.dataJson.slice(0, 1_000) }),
    }),
  },
  {
    ...standard,
    law: 11,
    name: "limits count characters",
    wrap: (right) => ({
      place: (order) => right.place(order.dataJson.length > 1_048_576 ? order : { ...order, dataJson: "1" }),
    }),
  },
  {
    ...standard,
    law: 11,
    name: "a group key that is too long is cut",
    wrap: (right) => ({
      place: (order) => right.place({ ...order, group: order.group?.slice(0, 20) ?? null }),
    }),
  },
  {
    ...standard,
    law: 11,
    name: "a group key is kept as UTF-8, whatever it holds",
    wrap: (right) => ({
      place: (order) => right.place({ ...order, group: order.group?.toWellFormed() ?? null }),
    }),
  },
  {
    ...standard,
    law: 11,
    name: "extras that are too large are cut",
    wrap: (right) => ({
      place: (order) => right.place({ ...order, extrasJson: order.extrasJson?.slice(0, 2_000) ?? null }),
    }),
  },
  {
    ...standard,
    law: 11,
    name: "a limit has no value",
    wrap: (right) => ({ limits: { ...right.limits, timingSeconds: Number.NaN } }),
  },
  {
    ...standard,
    law: 12,
    name: "close does nothing",
    wrap: () => ({ close: async () => {} }),
  },
  {
    ...standard,
    law: 12,
    name: "close does not end",
    wrap: () => ({ close: () => never }),
  },
  {
    ...standard,
    law: 12,
    name: "close leaves a timer",
    wrap: (_, clock) => {
      clock.at(clock.now() + 3_600_000, () => {});
      return {};
    },
  },
  {
    ...standard,
    law: 12,
    name: "calls under way at a close fail with an error of their own",
    wrap: (right) => {
      let isClosed = false;
      return {
        async get(id) {
          await new Promise(setImmediate);
          if (isClosed) throw new Error("the database is not open");
          return right.get(id);
        },
        close() {
          isClosed = true;
          return right.close();
        },
      };
    },
  },
  {
    ...standard,
    law: 12,
    name: "a second close fails",
    wrap: (right) => {
      let isClosed = false;
      return {
        async close() {
          if (isClosed) throw new CauceError("closed", "closed before");
          isClosed = true;
          await right.close();
        },
      };
    },
  },
];
