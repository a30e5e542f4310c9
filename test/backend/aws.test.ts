import { after, before, describe, it } from "node:test";
import { type AwsOptions, aws } from "../../src/backend/aws/index.ts";
import type { LocatedBackend } from "../../src/backend/port.ts";
import { describeBackend } from "../../src/testing/index.ts";
import { createCalm } from "./aws/calm.ts";
import { createStack, startEmulators } from "./aws/emulators.ts";
import { limitSeconds } from "./aws/patience.ts";

const workflow = "contract";
/** The contract's statuses. Those that are never delivered have a queue, too, since the contract reads it. */
const statuses = ["received", "priced", "forgotten", "held", "parked", "done"];
const leaseSeconds = Object.fromEntries(statuses.map((status) => [status, 60]));
let stages = 0;

// Each case has a stack of its own and waits for time to pass. Run side by side, the cases take a twelfth of the time.
describe("aws", { concurrency: 12 }, () => {
  let emulators: { stop(): Promise<void> };
  before(async () => {
    emulators = await startEmulators();
  });
  after(() => emulators.stop());

  const calm = createCalm(40);
  const itInTurn = (name: string, run: () => Promise<void>) =>
    it(name, async () => {
      await calm();
      await run();
    });
  describeBackend(itInTurn, "aws", {
    survives: "crashing",
    clock: "real",
    patienceSeconds: limitSeconds,
    async open({ clock, delivery }) {
      const stage = `t${++stages}`;
      const stack = await createStack({ workflow, stage, mode: delivery, statuses });
      const options: AwsOptions = { stage, ...stack, sweepSeconds: 2, pollSeconds: 1, shards: 2 };
      const open = () => aws(options)({ workflow, delivery, clock, leaseSeconds });
      const first = await open();
      const opened: LocatedBackend[] = [first];
      const next = async (): Promise<LocatedBackend> => {
        const backend = await open();
        opened.push(backend);
        return backend;
      };
      return {
        backend: first,
        async reopen() {
          await opened.at(-1)?.close();
          return next();
        },
        // A process that dies loses only its memory. No case calls the earlier backend again.
        crash: next,
        async remove() {
          for (const backend of opened) await backend.close();
          await stack.remove();
        },
      };
    },
  });
});
