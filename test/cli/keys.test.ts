import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { chmodSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { createKeys, readKeys } from "../../src/cli/keys.ts";
import { cauce, temporaryDirectory } from "./support.ts";

const keyIn = (text: string) => String(/^key +(\S+)$/m.exec(text)?.[1]);
const lineIn = (text: string) => String(/^line +(.+)$/m.exec(text)?.[1]);

describe("cauce keys create", () => {
  it("prints a key, the line to store, and how to use both", async (t) => {
    const { code, stdout, stderr } = await cauce(t, ["keys", "create", "--role", "intake", "--name", "shop"]).ended;
    assert.equal(stderr, "");
    assert.equal(code, 0);
    const sha256 = createHash("sha256").update(keyIn(stdout)).digest("hex");
    assert.equal(lineIn(stdout), `shop intake ${sha256}`);
    assert.match(stdout, /authorization: Bearer/);
    assert.match(stdout, /CAUCE_KEYS=/);
    assert.deepEqual(readKeys({ keysFile: undefined, keys: lineIn(stdout) }), {
      keys: [{ name: "shop", role: "intake", sha256 }],
    });
  });

  it("names a key after its role by default, and refuses an unknown role", async (t) => {
    assert.match(createKeys({ role: "read" }), /^line +read read /m);
    const { code, stderr } = await cauce(t, ["keys", "create", "--role", "admin"]).ended;
    assert.equal(code, 2);
    assert.match(stderr, /^setting_invalid: --role must be one of intake, read, operate, not "admin"\n$/);
    assert.equal((await cauce(t, ["keys", "create"]).ended).code, 2);
    assert.equal((await cauce(t, ["keys", "create", "--role", "read", "--name", "a b"]).ended).code, 2);
  });

  it("appends the line, and never the key itself, to a file that its owner alone can read", (t) => {
    const file = join(temporaryDirectory(t), "keys");
    const first = createKeys({ role: "intake", file });
    const second = createKeys({ role: "read", file });
    assert.equal(readFileSync(file, "utf8"), `${lineIn(first)}\n${lineIn(second)}\n`);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.equal(readKeys({ keysFile: file, keys: undefined })?.keys.length, 2);
  });

  it("keeps the file's content, ends its last line, and takes away the rights of other users", (t) => {
    const file = join(temporaryDirectory(t), "keys");
    writeFileSync(file, "# the shop's keys");
    chmodSync(file, 0o644);
    const made = createKeys({ role: "intake", name: "a", file });
    assert.equal(readFileSync(file, "utf8"), `# the shop's keys\n${lineIn(made)}\n`);
    assert.equal(statSync(file).mode & 0o777, 0o600);
  });

  it("refuses a name that is taken or cannot be one, and a file that cannot be written", (t) => {
    const file = join(temporaryDirectory(t), "keys");
    createKeys({ role: "intake", file });
    const before = readFileSync(file, "utf8");
    assert.throws(() => createKeys({ role: "intake", file }), {
      code: "keys_invalid",
      message: /: there is a key named "intake" in it already; choose another with --name/,
    });
    for (const name of ["two words", "", "x".repeat(65)]) {
      const refusal = { code: "setting_invalid", message: /^--name must be 1 to 64 letters/ };
      assert.throws(() => createKeys({ role: "intake", name, file }), refusal, name);
      assert.throws(() => createKeys({ role: "intake", name }), refusal, name);
    }
    assert.equal(readFileSync(file, "utf8"), before);
    const gone = join(file, "..", "gone");
    assert.throws(() => createKeys({ role: "read", file: join(gone, "keys") }), {
      code: "keys_invalid",
      message: `${join(gone, "keys")}: there is no directory ${gone}; make it, or give another path`,
    });
    assert.throws(() => createKeys({ role: "read", file: join(file, "x") }), { code: "keys_invalid" });
  });
});

describe("readKeys", () => {
  const line = (name: string) => `${name} read ${createHash("sha256").update(name).digest("hex")}`;

  it("takes lines from a variable, separated by commas or newlines", () => {
    for (const separator of [",", ", ", "\n"]) {
      const auth = readKeys({ keysFile: undefined, keys: `${line("a")}${separator}${line("b")}` });
      assert.deepEqual(
        auth?.keys.map(({ name }) => name),
        ["a", "b"],
      );
    }
  });

  it("says how to add the first key to a file without keys", (t) => {
    const file = join(temporaryDirectory(t), "keys");
    for (const text of ["", "# nobody yet\n"]) {
      writeFileSync(file, text);
      assert.throws(() => readKeys({ keysFile: file, keys: undefined }), {
        code: "keys_invalid",
        message: new RegExp(`cauce keys create --role operate --file ${file}$`),
      });
    }
    createKeys({ role: "operate", file });
    assert.equal(readKeys({ keysFile: file, keys: undefined })?.keys.length, 1);
  });

  it("gives no keys where none are set", () => {
    assert.equal(readKeys({ keysFile: undefined, keys: undefined }), undefined);
  });
});
