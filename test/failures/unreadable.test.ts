import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, it } from "node:test";
import type { ServerOptions } from "../../scripts/crash/server.ts";
import { run } from "../cli/remote/support.ts";
import { runsVariable } from "./apps/filling.ts";
import { appFile, gate, getOrder, place, serve, stop, temporaryDirectory, waitFor } from "./support.ts";

const damages = [
  "UPDATE order_data SET data = '{' WHERE seq = ?",
  "UPDATE orders SET entry = 'no' WHERE seq = ?",
  "UPDATE orders SET results = x'00' WHERE seq = ?",
  "UPDATE orders SET version = 9223372036854775807 WHERE seq = ?",
];

describe("a server whose rows another program damaged", () => {
  it("starts, ends the other orders, and shows, lists and removes the damaged ones", async (t) => {
    const directory = temporaryDirectory(t);
    const options: ServerOptions = {
      app: appFile("filling"),
      directory: join(directory, "data"),
      env: { [runsVariable]: join(directory, "runs") },
    };
    const held = await gate(t);
    const first = serve(t, options);
    const address = await first.address;
    const paths = await Promise.all(damages.map(() => place(address, "filling", { url: held.url })));
    await held.asked(paths.length);
    first.kill("SIGKILL");
    await first.ended;
    held.open();
    const db = new DatabaseSync(join(options.directory, "filling.db"));
    const ids = paths.map((path) => path.split("/").at(-1) ?? "");
    for (const [index, id] of ids.entries()) {
      const seq = db.prepare("SELECT seq FROM orders WHERE id = ?").get(id)?.seq as number;
      db.prepare(damages[index] ?? "").run(seq);
    }
    db.close();

    for (let start = 0; start < 2; start++) {
      const server = serve(t, options);
      const url = await server.address;
      const good = await place(url, "filling", {});
      await waitFor(url, good, ({ status }) => status === "done");
      for (const [index, path] of paths.entries()) {
        const { id, status, data, failure } = await waitFor(url, path, ({ failure }) => failure !== null);
        assert.deepEqual([id, status, data, failure?.code], [ids[index], "open", null, "order_unreadable"]);
        const shown = await run(url, ["show", id]);
        assert.equal(shown.exit, 0, shown.stderr);
        assert.match(
          shown.stdout,
          /^failure +order_unreadable: row \d+ of "orders" cannot be read: \w+; the SHA-256 /m,
        );
      }
      const listed = await run(url, ["list", "--failed", "--json"]);
      const of = (text: string) =>
        text
          .trim()
          .split("\n")
          .map((line) => (JSON.parse(line) as { id: string }).id);
      assert.deepEqual(of(listed.stdout).sort(), ids.toSorted());
      assert.equal((await run(url, ["failures"])).stdout.trim().split("\n").length, 1 + damages.length);
      assert.match(
        await (await fetch(`${url}/metrics`)).text(),
        /^cauce_queue_depth\{workflow="filling",status="open",state="failed"\} 4$/m,
      );
      const refused = await fetch(`${url}${paths[0]}/retry`, { method: "POST" });
      assert.deepEqual([refused.status, ((await refused.json()) as { code: string }).code], [409, "order_unreadable"]);
      if (start === 1) {
        for (const path of paths) assert.equal((await fetch(url + path, { method: "DELETE" })).status, 204);
        assert.equal((await run(url, ["list", "--failed"])).stdout, "");
        assert.equal((await getOrder(url, good)).status, "done");
      }
      const { stderr } = await stop(server);
      const lines = stderr.split("\n").filter((line) => line.includes('"code":"order_unreadable"'));
      assert.equal(lines.length, start === 0 ? damages.length : 0, stderr);
    }
  });
});
