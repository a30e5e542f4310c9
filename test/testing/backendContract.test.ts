import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { memory } from "../../src/backend/memory/memory.ts";
import type { DeliveryMode, LocatedBackend } from "../../src/backend/port.ts";
import { CauceError } from "../../src/core/errors.ts";
import {
  type BackendUnderTest,
  backendContract,
  type ContractCase,
  describeBackend,
} from "../../src/testing/backendContract.ts";
import type { Fault } from "./faults/fault.ts";
import { faults } from "./faults/faults.ts";

const modes: readonly DeliveryMode[] = ["standard", "fifo"];
/** The patience for faulty backends, short since a missing delivery never comes. */
const patienceSeconds = 0.02;
/** The patience for right backends, long enough for a busy machine. */
const enoughSeconds = 600;
const idOf = (each: ContractCase): string => `law ${each.law}: ${each.name}`;

const open: BackendUnderTest["open"] = async ({ clock, delivery }) => {
  const backend = memory({ clock, delivery });
  return { backend, remove: () => backend.close() };
};

/** Gives the cases that a backend fails. A case must fail by an assertion, and by no other error. */
async function failing(cases: readonly ContractCase[]): Promise<string[]> {
  const failed: string[] = [];
  for (const each of cases) {
    try {
      await each.run();
    } catch (error) {
      assert.ok(error instanceof assert.AssertionError, `${idOf(each)}: ${error}`);
      failed.push(idOf(each));
    }
  }
  return failed;
}

describe("the contract's cases against faulty backends", () => {
  const found = new Set<string>();

  const openWith =
    (fault: Fault): BackendUnderTest["open"] =>
    async ({ clock, delivery }) => {
      const right = memory({ clock, delivery });
      const backend = { ...right, ...fault.wrap(right, clock) };
      const remove = async () => {
        await right.close();
        if (fault.law !== 12) await backend.close();
      };
      return { backend, remove };
    };

  for (const fault of faults) {
    const { law, delivery, name } = fault;
    test(`a case of law ${law} fails where ${name} (${delivery})`, async () => {
      const options = { open: openWith(fault), delivery, survives: "nothing", patienceSeconds } as const;
      const failed = await failing(backendContract(options).filter((each) => each.law === law));
      assert.notDeepEqual(failed, []);
      for (const id of failed) found.add(id);
    });
  }

  test("every case of the contract fails for some fault of its law", () => {
    const cases = modes.flatMap((delivery) => backendContract({ open, delivery, survives: "nothing" }));
    const never = new Set(cases.map(idOf).filter((id) => !found.has(id)));
    assert.deepEqual([...never], []);
  });
});

describe("the contract's cases over stores that survive", () => {
  /** Makes a front of a store that may close or die before the store. */
  function front(store: LocatedBackend): { backend: LocatedBackend; drop: () => void } {
    const stop = new AbortController();
    const check = () => {
      if (stop.signal.aborted) throw new CauceError("closed", "the store goes on without this front");
    };
    const guarded = Object.fromEntries(
      Object.entries(store).map(([name, call]) => [
        name,
        typeof call !== "function"
          ? call
          : async (argument: never) => {
              check();
              return call(argument);
            },
      ]),
    ) as unknown as LocatedBackend;
    const backend: LocatedBackend = {
      ...guarded,
      async receive(options) {
        check();
        const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal;
        return store.receive({ ...options, signal });
      },
      close: async () => stop.abort(),
    };
    return { backend, drop: () => stop.abort() };
  }

  const openSurvivor =
    (after: (store: LocatedBackend) => LocatedBackend): BackendUnderTest["open"] =>
    async ({ clock, delivery }) => {
      const store = memory({ clock, delivery });
      const first = front(store);
      let latest = first;
      const again = async () => {
        latest.drop();
        latest = front(after(store));
        return latest.backend;
      };
      return { backend: first.backend, reopen: again, crash: again, remove: () => store.close() };
    };

  /** Gives the cases for stores that survive alone. */
  function survivalCases(
    after: (store: LocatedBackend) => LocatedBackend,
    delivery: DeliveryMode,
    patienceSeconds: number,
  ): ContractCase[] {
    const options = { open: openSurvivor(after), delivery, patienceSeconds };
    const always = new Set(backendContract({ ...options, survives: "nothing" }).map(idOf));
    return backendContract({ ...options, survives: "crashing" }).filter((each) => !always.has(idOf(each)));
  }

  for (const delivery of modes) {
    test(`every case passes for a store that survives (${delivery})`, async () => {
      assert.deepEqual(await failing(survivalCases((store) => store, delivery, enoughSeconds)), []);
    });

    test(`every case fails for a store that begins empty (${delivery})`, async () => {
      const cases = survivalCases((store) => emptied(store), delivery, patienceSeconds);
      assert.ok(cases.length > 10);
      assert.deepEqual(await failing(cases), cases.map(idOf));
    });
  }

  test("a case of law 6 fails where a delivery in flight at a crash does not come back as redelivered", async () => {
    const forgetful = (store: LocatedBackend): LocatedBackend => ({
      ...store,
      receive: async (options) => (await store.receive(options)).map((each) => ({ ...each, redelivered: false })),
    });
    const failed = await failing(survivalCases(forgetful, "standard", enoughSeconds));
    assert.equal(failed.length, 1);
    assert.match(failed[0] ?? "", /^law 6: a delivery in flight comes back after a crash/);
  });

  /** Makes an empty store with the limits of another. */
  function emptied(store: LocatedBackend): LocatedBackend {
    return {
      ...store,
      place: async (order) => store.place({ ...order, key: null }),
      get: async () => undefined,
      list: async () => ({ items: [], nextCursor: null }),
      commit: async () => "stale",
      receive: async () => [],
      counts: async () => ({ depths: [], failures: [] }),
      sweep: async () => ({ expired: [], redelivered: 0, failed: [], nextCursor: null, nextAt: null }),
    };
  }

  test("cases fail for a store that is said to survive and cannot be reopened", async () => {
    const cases = backendContract({ open, delivery: "standard", survives: "crashing" });
    const failed = await failing(cases.filter((each) => /outlives a c/.test(each.name)));
    assert.ok(failed.length > 2);
  });
});

test("the cases cover all twelve laws, in both modes, and have names of their own", () => {
  for (const delivery of modes) {
    const cases = backendContract({ open, delivery, survives: "nothing" });
    assert.deepEqual(
      [...new Set(cases.map((each) => each.law))],
      Array.from({ length: 12 }, (_, index) => index + 1),
    );
    assert.equal(new Set(cases.map((each) => each.name)).size, cases.length);
  }
});

test("describeBackend registers every case of both modes, by name and law", async () => {
  const registered = new Map<string, () => Promise<void>>();
  describeBackend((name, run) => registered.set(name, run), "mine", {
    open,
    survives: "nothing",
    patienceSeconds: enoughSeconds,
  });
  const count = modes.flatMap((delivery) => backendContract({ open, delivery, survives: "nothing" })).length;
  assert.equal(registered.size, count);
  const run = registered.get("mine · fifo · law 8: one order of a group at a time, in the order of placing");
  assert.ok(run);
  await run();
});

test("a failed case removes its store, and rejects with its own error", async () => {
  let removed = 0;
  const [first] = backendContract({
    delivery: "standard",
    survives: "nothing",
    open: async ({ clock }) => {
      const right = memory({ clock });
      const backend: LocatedBackend = { ...right, place: () => Promise.reject(new Error("no place")) };
      return {
        backend,
        remove: async () => {
          removed++;
          await right.close();
          throw new Error("no remove");
        },
      };
    },
  });
  assert.ok(first);
  await assert.rejects(first.run(), /no place/);
  assert.equal(removed, 1);
});
