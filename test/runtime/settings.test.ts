import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { Option } from "commander";
import { createProgram } from "../../src/cli/main.ts";
import { cauceVariables } from "../../src/runtime/env.ts";
import { nearest, readSettings, type Setting, settings } from "../../src/runtime/settings.ts";

const all: Setting[] = Object.values(settings);

describe("readSettings", () => {
  it("takes a flag over a variable, and a variable over the default", () => {
    assert.equal(readSettings({}, {}).port, 3_000);
    assert.equal(readSettings({}, { CAUCE_PORT: "4000" }).port, 4_000);
    assert.equal(readSettings({ port: "5000" }, { CAUCE_PORT: "4000" }).port, 5_000);
  });

  it("has these defaults", () => {
    assert.deepEqual(readSettings({}, {}), {
      port: 3_000,
      host: "127.0.0.1",
      data: "./cauce-data",
      delivery: "standard",
      keysFile: undefined,
      keys: undefined,
      bodyBytesMax: 262_144,
      basePath: undefined,
      unknownStatuses: "refuse",
      watch: false,
    });
  });

  it("refuses a variable that it does not know, naming the nearest", () => {
    assert.throws(() => readSettings({}, { CAUCE_HOTS: "x" }), {
      code: "setting_invalid",
      message: "the variable CAUCE_HOTS is unknown; did you mean CAUCE_HOST?",
    });
  });

  it("refuses a value that a setting does not take, naming where it came from", () => {
    const refused = (message: RegExp) => ({ code: "setting_invalid", message });
    assert.throws(() => readSettings({ port: "-1" }, {}), refused(/^--port must be .*, not "-1"$/));
    assert.throws(() => readSettings({}, { CAUCE_PORT: "" }), refused(/^CAUCE_PORT must be .*, not ""$/));
    assert.throws(() => readSettings({ port: "80.5" }, {}), refused(/^--port/));
    assert.throws(() => readSettings({ bodyBytesMax: "0" }, {}), refused(/^--body-bytes-max/));
    assert.throws(() => readSettings({ delivery: "FIFO" }, {}), refused(/^--delivery/));
    assert.throws(() => readSettings({ unknownStatuses: "drop" }, {}), refused(/^--unknown-statuses/));
    assert.throws(() => readSettings({}, { CAUCE_WATCH: "yes" }), refused(/^CAUCE_WATCH/));
    for (const basePath of ["shop", "/", "/shop/", "/sh op", "/a//b"]) {
      assert.throws(() => readSettings({ basePath }, {}), refused(/^--base-path/), basePath);
    }
    for (const basePath of ["/shop", "/a/b-c"]) assert.equal(readSettings({ basePath }, {}).basePath, basePath);
  });

  it("refuses two sources of keys, unless a flag decides", () => {
    const variables = { CAUCE_KEYS: "x", CAUCE_KEYS_FILE: "file" };
    assert.throws(() => readSettings({}, variables), { code: "setting_invalid", message: /both set/ });
    assert.equal(readSettings({ keysFile: "other" }, variables).keysFile, "other");
  });
});

describe("the settings", () => {
  it("are the flags of cauce start, no more and no fewer", () => {
    const program = createProgram([], { out: () => {}, err: () => {} });
    const start = program.commands.find((command) => command.name() === "start");
    const shown = start?.options.filter(({ hidden }) => !hidden).map(({ flags }) => flags);
    assert.deepEqual(
      shown,
      all.flatMap(({ flag }) => flag ?? []),
    );
  });

  it("have defaults that they themselves take", () => {
    for (const { parse, default: fallback } of all) {
      if (fallback !== null) assert.ok("value" in parse(fallback), fallback);
    }
  });

  it("name a variable after its flag", () => {
    for (const { flag, variable } of all) {
      if (flag === null || variable === "CAUCE_KEYS_FILE") continue;
      const words = new Option(flag).name().replaceAll("-", "_").toUpperCase();
      assert.equal(variable, `CAUCE_${words}`);
    }
  });

  it("are the table in docs/reference/settings.md, row for row", () => {
    const page = readFileSync(new URL("../../docs/reference/settings.md", import.meta.url), "utf8");
    // The formatter pads the columns.
    const narrow = (line: string) => line.replace(/ +/g, " ").replace(/-{3,}/g, "---");
    const rows = page
      .split("\n")
      .filter((line) => line.startsWith("|"))
      .map(narrow);
    const code = (text: string | null) => (text === null ? "none" : `\`${text}\``);
    const expected = all.map(
      ({ flag, variable, default: fallback, meaning }) =>
        `| ${code(flag)} | ${code(variable)} | ${code(fallback)} | ${meaning} |`,
    );
    assert.deepEqual(rows, ["| flag | variable | default | meaning |", "| --- | --- | --- | --- |", ...expected]);
  });
});

describe("nearest", () => {
  it("is the one that the fewest changes lead to", () => {
    const names = ["CAUCE_PORT", "CAUCE_HOST", "CAUCE_KEYS", "CAUCE_KEYS_FILE"];
    assert.equal(nearest("CAUCE_PRT", names), "CAUCE_PORT");
    assert.equal(nearest("CAUCE_KEYFILE", names), "CAUCE_KEYS_FILE");
    assert.equal(nearest("CAUCE_", names), "CAUCE_PORT");
  });
});

describe("cauceVariables", () => {
  it("reads the CAUCE_* variables and no others", (t) => {
    const before = process.env.CAUCE_PORT;
    t.after(() => {
      if (before === undefined) delete process.env.CAUCE_PORT;
      else process.env.CAUCE_PORT = before;
    });
    process.env.CAUCE_PORT = "1";
    const found = cauceVariables();
    assert.equal(found.CAUCE_PORT, "1");
    assert.ok(Object.keys(found).every((name) => name.startsWith("CAUCE_")));
  });
});
