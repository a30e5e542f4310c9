import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { parseEnv } from "node:util";
import orders from "../../examples/orders/orders.app.ts";
import { readSettings } from "../../src/node/readSettings.ts";

const folder = fileURLToPath(new URL("../../examples/systemd/", import.meta.url));
const units = readdirSync(folder).filter((name) => /\.(service|timer)$/.test(name));
const textOf = (name: string) => readFileSync(join(folder, name), "utf8");

/** Reads a unit file's settings, `Section.Key` to value. Throws for a line that is no setting. */
function settingsOf(text: string): Map<string, string> {
  const found = new Map<string, string>();
  let section = "";
  for (const line of text.split("\n").filter((line) => line !== "" && !line.startsWith("#"))) {
    const [, header] = /^\[(\w+)\]$/.exec(line) ?? [];
    const [, key, value] = /^(\w+)=(.+)$/.exec(line) ?? [];
    if (header !== undefined) section = header;
    else if (key === undefined || value === undefined || section === "") throw new Error(`no setting: ${line}`);
    else found.set(`${section}.${key}`, value);
  }
  return found;
}

/** Gives systemd's complaints about the units, with this machine's programs in place of a server's. */
function verified(t: TestContext, change: (text: string) => string = (text) => text): string {
  const directory = mkdtempSync(join(tmpdir(), "cauce-systemd-"));
  t.after(() => rmSync(directory, { recursive: true }));
  for (const name of units) {
    writeFileSync(join(directory, name), change(textOf(name)).replaceAll("/usr/bin/node", process.execPath));
  }
  const run = spawnSync("systemd-analyze", ["verify", ...units.map((name) => join(directory, name))], {
    encoding: "utf8",
  });
  const ours = (line: string) => units.some((name) => line.includes(name));
  return run.stderr.split("\n").filter(ours).join("\n");
}

function hasSystemd(): boolean {
  try {
    execFileSync("systemd-analyze", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

describe("examples/systemd", () => {
  it("has units that systemd accepts", (t) => {
    assert.deepEqual(units.sort(), ["cauce-backup.service", "cauce-backup.timer", "cauce.service"]);
    for (const name of units) assert.ok(settingsOf(textOf(name)).has("Unit.Description"), name);
    // Without systemd, only the units' form can be checked.
    if (!hasSystemd()) return;
    assert.equal(verified(t), "");
    assert.match(
      verified(t, (text) => text.replace("KillMode=mixed", "KillMode=mild")),
      /KillMode|kill mode/i,
    );
  });

  it("has a unit that waits for every handler, and starts the command line", () => {
    const unit = settingsOf(textOf("cauce.service"));
    const timeouts = Object.values(orders.workflow.statuses).map((status) =>
      "timeoutSeconds" in status ? status.timeoutSeconds : 0,
    );
    assert.ok(Number(unit.get("Service.TimeoutStopSec")) >= Math.max(...timeouts) + 15);
    assert.match(unit.get("Service.ExecStart") ?? "", / node_modules\/cauce\/bin\/cauce\.js start orders\.app\.ts$/);
    assert.equal(unit.get("Service.RestartPreventExitStatus"), "2");
  });

  it("has variables that cauce start takes, and the same data directory as the units", () => {
    const settings = readSettings("start", {}, parseEnv(textOf("cauce.env")) as Record<string, string>);
    const unit = settingsOf(textOf("cauce.service"));
    assert.equal(settings.data, `/var/lib/${unit.get("Service.StateDirectory")}`);
    assert.ok(
      settingsOf(textOf("cauce-backup.service")).get("Service.ExecStart")?.endsWith(`--data ${settings.data}'`),
    );
    assert.throws(() => readSettings("start", {}, { CAUCE_PROT: "3000" }), { code: "setting_invalid" });
  });
});
