import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { chaosRun } from "../../scripts/chaosAws/run.ts";
import type { App } from "../../src/core/handlers.ts";
import { synthesize } from "../../src/deploy/cdk/synth.ts";
import { createChaos, defaultShares, seeded } from "../../src/emulate/chaos.ts";
import type { AwsCall } from "../../src/emulate/services/call.ts";
import { limitSeconds } from "../backend/aws/patience.ts";
import { temporary } from "./support.ts";

const module = fileURLToPath(new URL("./fixtures/quick.app.ts", import.meta.url));
const { default: app } = (await import(module)) as { default: App };

describe("an emulated stack with chaos", { concurrency: true }, () => {
  for (const delivery of ["standard", "fifo"] as const) {
    it(`loses no order, and no order is stuck or moved twice (${delivery})`, async () => {
      const outDirectory = temporary();
      await synthesize({ app, module, access: "public", delivery, outDirectory, checks: false });
      const { placed, lost, stuck, appliedTwice, outOfOrder, faults, struck } = await chaosRun({
        ...{ assembly: outDirectory, workflow: app.workflow, orders: 24, seed: 5, patienceSeconds: limitSeconds },
        // A call that fails on every try costs a lease and 30 s.
        shares: { ...defaultShares, failAlways: 0.001 },
        dataOf: (note, index) => ({ note, group: `g-${index % 12}` }),
        // A schedule's minute is long for a test, and so is the delay after a lost mark of the sweep.
        spared: "quick-sweep-dev",
        onWait: async ({ invoke }) => void (await invoke("quick-sweep-dev", {})),
      });
      assert.deepEqual(
        { placed, lost, stuck, appliedTwice, outOfOrder, faults },
        { placed: 24, lost: 0, stuck: 0, appliedTwice: 0, outOfOrder: 0, faults: [] },
      );
      // With so few invocations, chaos may kill no process. functions.test.ts shows that processes are killed.
      const { twice, later, killed: _killed, ...always } = struck;
      assert.ok(
        Object.values(always).every((count) => count > 0),
        JSON.stringify(struck),
      );
      assert.equal(twice > 0 && later > 0, delivery === "standard");
    });
  }
});

describe("chaos", () => {
  const call = (id: string): AwsCall => ({
    ...{ function: "f", service: "sqs", operation: "SendMessage", action: "sqs:SendMessage", resources: ["q"], id },
  });

  it("is the same for the same seed, and differs for another seed", async () => {
    const fates = (seed: number) => {
      const chaos = createChaos(seeded(seed));
      return Array.from({ length: 300 }, (_, index) => chaos.hook(call(String(index))));
    };
    assert.deepEqual(fates(1), fates(1));
    assert.notDeepEqual(fates(1), fates(2));
  });

  it("fails each try of a call that it dooms", () => {
    const chaos = createChaos(() => 0, { ...defaultShares, failAlways: 1 });
    assert.deepEqual(
      [1, 2, 3].map(() => chaos.hook(call("one"))),
      ["failBefore", "failBefore", "failBefore"],
    );
  });
});
