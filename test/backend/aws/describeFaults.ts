import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { Worker } from "node:worker_threads";
import { cellsOf, type Driver } from "./faultCells.ts";

interface Told {
  readonly name: string;
  readonly error?: unknown;
  readonly unknown?: readonly string[];
}

/** Registers a test for each cell of the table: see `cellsOf`. `driver` is the URL of a `Driver`. */
export async function describeFaults(title: string, driver: URL): Promise<void> {
  const { rows } = (await import(driver.href)) as Driver;

  for (const delivery of ["standard", "fifo"] as const) {
    describe(`${title}, ${delivery}`, () => {
      const told = new Map<string, PromiseWithResolvers<Told>>();
      const tellingOf = (name: string) => {
        const telling = told.get(name) ?? Promise.withResolvers<Told>();
        told.set(name, telling);
        return telling;
      };
      const worker = new Worker(new URL("./faultWorker.ts", import.meta.url), {
        workerData: { driver: driver.href, delivery },
        stdout: true,
      });
      worker.on("message", (each: Told) => tellingOf(each.name).resolve(each));
      const ended = new Promise<never>((_, reject) => {
        worker.on("error", reject);
        worker.on("exit", (code) => setImmediate(() => reject(new Error(`the cells ended with code ${code}`))));
      });
      ended.catch(() => {});
      // Functions are not closed. The end of the thread closes what they hold open.
      after(() => worker.terminate());
      const heard = (name: string) => Promise.race([tellingOf(name).promise, ended]);

      for (const { name } of cellsOf(rows, delivery)) {
        it(name, async () => {
          const { error } = await heard(name);
          if (error !== undefined) throw error;
        });
      }
      it("every call that the product made belongs to a row of the table", async () => {
        assert.deepEqual((await heard(`${delivery} · every call is of a row`)).unknown, []);
      });
    });
  }
}
