import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { handlerLogVariable } from "../../scripts/crash/app.ts";
import { askForOrders, readStore } from "../../scripts/crash/evidence.ts";
import { readRuns } from "../../scripts/crash/handlerLog.ts";
import { judge } from "../../scripts/crash/judge.ts";
import { createKeeper } from "../../scripts/crash/keeper.ts";
import { startLoad } from "../../scripts/crash/load.ts";
import { finished } from "../../scripts/crash/run.ts";
import { crashApp, type ServerOptions } from "../../scripts/crash/server.ts";
import { temporaryDirectory } from "./support.ts";

const drains = 2;

describe("SIGTERM under load", { concurrency: 2 }, () => {
  for (const delivery of ["standard", "fifo"] as const) {
    it(`loses nothing, repeats no handler, and exits with 0, ${delivery} delivery`, async (t) => {
      const directory = temporaryDirectory(t);
      const log = join(directory, "handlers.log");
      const data = join(directory, "data");
      mkdirSync(data);
      const options: ServerOptions = { app: crashApp, directory: data, delivery, env: { [handlerLogVariable]: log } };
      const keeper = createKeeper();
      t.after(() => keeper.close());
      const load = startLoad({ address: keeper.address, seed: 1, clients: 8 });
      for (let drain = 0; drain < drains; drain++) {
        keeper.start(options);
        await load.more(60);
        // The clients go on placing. Once their connections are closed they wait for the next server.
        const { code, stdout, stderr } = await keeper.end("SIGTERM");
        assert.equal(code, 0, stderr);
        assert.match(stdout, /Drained\.\n$/);
      }
      keeper.start(options);
      await load.more(20);
      await load.stop();
      await load.repeat();
      const { url } = await keeper.address();
      assert.deepEqual(await finished(url), []);
      const { acknowledgements } = load;
      const answers = await askForOrders(url, acknowledgements);
      assert.equal((await keeper.end("SIGTERM")).code, 0);
      const rows = readStore(data);
      const verdict = judge({ delivery, acknowledgements, answers, rows, runs: readRuns(log) });
      assert.deepEqual([...load.faults, ...verdict.faults], []);
      assert.ok(verdict.acknowledged >= 20 * drains);
      // Handlers in hand finish before the server ends, so only handlers that throw run again.
      assert.equal(verdict.repeatsAfterDeath, 0);
    });
  }
});
