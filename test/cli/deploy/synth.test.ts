import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { main } from "../../../src/cli/main.ts";
import { readSettings } from "../../../src/node/readSettings.ts";
import { apps } from "../../deploy/support.ts";

async function run(...args: string[]) {
  const [out, err]: [string[], string[]] = [[], []];
  const output = { out: (text: string) => void out.push(text), err: (text: string) => void err.push(text) };
  const code = await main(args, output);
  return { code, out: out.join(""), err: err.join("") };
}

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "cauce-synth-test-"));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

describe("cauce synth", () => {
  it("writes the checked template, with the keys' hashes, and the bundles, and prints the resources", async (t) => {
    const directory = folder(t);
    const [out, keys] = [join(directory, "out"), join(directory, "shop.keys")];
    const made = await run("keys", "create", "--role", "operate", "--name", "desk", "--file", keys);
    const key = /^key +(\S+)$/m.exec(made.out)?.[1] as string;
    const { code, out: told, err } = await run("synth", apps.shop.module, "--out", out, "--keys", keys);
    assert.equal(code, 0, err);
    for (const name of ["orders-table-dev", "orders-request-dev", "orders-processing-dev", "orders-paid-dead-dev"]) {
      assert.ok(told.includes(name), name);
    }
    const template = readFileSync(join(out, "orders-dev.template.json"), "utf8");
    assert.match(template, /desk operate [0-9a-f]{64}/);
    assert.equal(template.includes(key), false);
    const code_ = readdirSync(out).filter((name) => name.startsWith("asset."));
    assert.equal(code_.length, 3);
  });

  it("refuses a file in place of a directory to write into", async () => {
    const { code, err } = await run("synth", apps.shop.module, "--public", "--out", apps.shop.module);
    assert.deepEqual(
      [code, err],
      [1, `directory_unusable: ${apps.shop.module}: there is a file of that name; give a directory\n`],
    );
  });

  it("refuses to write without keys or --public", async (t) => {
    const { code, err } = await run("synth", apps.shop.module, "--out", folder(t));
    assert.equal(code, 1);
    assert.match(err, /^keys_required: .*--keys FILE, or say --public\n$/);
  });
});

describe("the settings of a stack", () => {
  const refused = (flags: object, variables: Record<string, string> = {}) => {
    try {
      readSettings("stack", flags, variables);
    } catch (error) {
      assert.equal((error as { code: string }).code, "setting_invalid");
      return (error as Error).message;
    }
    return "";
  };

  it("have defaults, and are read from flags and variables", () => {
    assert.deepEqual(readSettings("stack", { processors: "per-status" }, { CAUCE_STAGE: "prod", CAUCE_PORT: "80" }), {
      ...{
        stage: "prod",
        // The plan takes `standard` where none is named.
        delivery: undefined,
        processors: "per-status",
        compute: "lambda",
        accountConcurrency: 1_000,
      },
      ...{ alarmTopicArn: undefined, public: false, keysFile: undefined, keys: undefined, retentionDays: undefined },
    });
  });

  it("refuse a public API with keys, and functions' settings for pods", () => {
    assert.match(refused({ public: "true", keysFile: "k" }), /--public and --keys are both given/);
    assert.match(refused({ public: "true" }, { CAUCE_KEYS: "k" }), /--public and CAUCE_KEYS are both given/);
    assert.match(refused({ compute: "kubernetes", processors: "shared" }), /--processors is for --compute lambda/);
    assert.match(refused({ compute: "kubernetes", retentionDays: "3" }), /--retention-days is for --compute lambda/);
    assert.equal(refused({ compute: "kubernetes" }, { CAUCE_KEYS_FILE: "k" }), "");
    assert.match(refused({ compute: "pods" }), /--compute must be lambda or kubernetes/);
  });
});
