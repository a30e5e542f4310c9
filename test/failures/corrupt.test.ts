import assert from "node:assert/strict";
import { closeSync, openSync, readFileSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, it, type TestContext } from "node:test";
import type { Server, ServerOptions } from "../../scripts/crash/server.ts";
import { runsVariable } from "./apps/filling.ts";
import { appFile, gate, place, serve, stop, temporaryDirectory, waitFor } from "./support.ts";

const pageBytes = 4_096;

/** Makes the store of a killed server: 60 orders done and 60 in hand, all of them in the database file. */
async function leftByKill(t: TestContext) {
  const directory = temporaryDirectory(t);
  const options: ServerOptions = {
    app: appFile("filling"),
    directory: join(directory, "data"),
    env: { [runsVariable]: join(directory, "runs") },
  };
  const held = await gate(t);
  const server = serve(t, options);
  const url = await server.address;
  const placed = (data: unknown) => Promise.all(Array.from({ length: 60 }, () => place(url, "filling", data)));
  const done = await placed({ padding: "d".repeat(500) });
  for (const path of done) await waitFor(url, path, ({ status }) => status === "done");
  const atHandler = await placed({ padding: "h".repeat(500), url: held.url });
  await held.asked(atHandler.length);
  server.kill("SIGKILL");
  await server.ended;
  held.open();
  const file = join(options.directory, "filling.db");
  // After a kill the orders are still in the write-ahead log, where every page has a checksum.
  const db = new DatabaseSync(file);
  db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  db.close();
  return { options, file, paths: [...done, ...atHandler] };
}

/** Overwrites bytes of a file in place. */
function overwrite(file: string, from: number, bytes: number) {
  const descriptor = openSync(file, "r+");
  writeSync(descriptor, Buffer.alloc(bytes, 0xff), 0, bytes, from);
  closeSync(descriptor);
}

/** Sends a request to a damaged store, which must be answered or refused with `store_corrupt`. */
async function answer(url: string, init?: RequestInit): Promise<"answered" | "refused"> {
  const response = await fetch(url, init);
  const body = await response.text();
  if (response.status === (init === undefined ? 200 : 202)) return "answered";
  assert.equal(response.status, 503, body);
  assert.equal((JSON.parse(body) as { code: string }).code, "store_corrupt");
  assert.equal(response.headers.get("retry-after"), "30");
  return "refused";
}

/** Reads every order, places one, and has the server drain. Gives the number of refused requests. */
async function serves(server: Server, url: string, paths: readonly string[]): Promise<number> {
  const answers = await Promise.all(paths.map((path) => answer(url + path)));
  const data = { method: "POST", headers: { "content-type": "application/json" }, body: "{}" };
  answers.push(await answer(`${url}/filling`, data), await answer(`${url}/filling?limit=1000`));
  server.kill("SIGTERM");
  const { code, stderr } = await server.ended;
  assert.equal(code, 0, stderr);
  for (const line of stderr.split("\n").filter((each) => each !== "")) {
    assert.notEqual((JSON.parse(line) as { code?: string }).code, "internal_error", line);
  }
  return answers.filter((each) => each === "refused").length;
}

describe("a server whose database was overwritten while the server was stopped", { concurrency: 2 }, () => {
  it("ends with one line and exit code 1 where the schema is damaged", async (t) => {
    const { options, file } = await leftByKill(t);
    // All that follows the file's header, which is 100 bytes long: the root of the schema's tree.
    overwrite(file, 100, pageBytes - 100);
    const { code, stdout, stderr } = await serve(t, options).ended;
    assert.match(stderr, /^store_corrupt: [^\n]*filling\.db [^\n]+\n$/);
    assert.equal(stdout, "");
    assert.equal(code, 1);
  });

  it("answers 503 for orders whose data is damaged, and goes on with the others", async (t) => {
    const { options, file, paths } = await leftByKill(t);
    // The padding finds the pages that hold the data of orders that are done.
    const bytes = readFileSync(file);
    const padding = Buffer.from("d".repeat(500));
    const damaged = new Set<number>();
    for (let at = bytes.indexOf(padding); at >= 0; at = bytes.indexOf(padding, at + 1)) {
      damaged.add(Math.floor(at / pageBytes));
    }
    assert.ok(damaged.size > 2);
    const [, page = 0] = damaged;
    overwrite(file, page * pageBytes, pageBytes);
    const server = serve(t, options);
    const url = await server.address;
    const refused = await serves(server, url, paths);
    assert.ok(refused > 0 && refused < paths.length / 2, `${refused} refused`);
  });

  // SQLite takes a damaged log for one that ends at the damage. What follows is lost without an error.
  it("leaves no write-ahead log that could be damaged after an orderly stop", async (t) => {
    const directory = temporaryDirectory(t);
    const data = join(directory, "data");
    const runs = join(directory, "runs");
    const server = serve(t, { app: appFile("filling"), directory: data, env: { [runsVariable]: runs } });
    await place(await server.address, "filling", {});
    await stop(server);
    const log = statSync(join(data, "filling.db-wal"), { throwIfNoEntry: false });
    assert.equal(log?.size ?? 0, 0);
  });

  for (const [from, to] of [
    [1 / 4, 3 / 4],
    [1 / 2, 1],
    [1 / 3, 1 / 2],
  ] as const) {
    const part = `from ${Math.round(from * 100)} % to ${Math.round(to * 100)} %`;
    it(`ends with one line and exit code 1, or answers 503, where its pages are damaged ${part}`, async (t) => {
      const { options, file, paths } = await leftByKill(t);
      const pages = statSync(file).size / pageBytes;
      const first = Math.ceil(pages * from);
      overwrite(file, first * pageBytes, (Math.floor(pages * to) - first) * pageBytes);
      const server = serve(t, options);
      const url = await server.address.catch(() => undefined);
      if (url === undefined) {
        const { code, stderr } = await server.ended;
        assert.match(stderr, /^store_corrupt: [^\n]+\n$/);
        assert.equal(code, 1);
      } else assert.ok((await serves(server, url, paths)) > 0, "the damage is reported");
    });
  }
});
