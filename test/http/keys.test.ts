import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { createKey, formatKeyLine, parseKeys } from "../../src/http/auth.ts";

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const [a, b] = [sha256("a"), sha256("b")] as const;

test("a key has 256 random bits, and comes with its hash", () => {
  const made = createKey();
  assert.match(made.key, /^cauce_[A-Za-z0-9_-]{43}$/);
  assert.equal(made.sha256, sha256(made.key));
  assert.notEqual(createKey().key, made.key);
});

test("a formatted line of the key file is read back", () => {
  const key = { name: "shop.front-1@eu", role: "intake", sha256: a } as const;
  assert.deepEqual(parseKeys(formatKeyLine(key), "keys.txt"), { keys: [key] });
});

test("a key file may have comments, blank lines, tabs, upper case, a byte order mark and any line end", () => {
  const text = `\uFEFFshop\tintake   ${a.toUpperCase()}  # front end\r\n\r\n# ours\rops operate ${b}\n`;
  assert.deepEqual(parseKeys(text, "keys.txt"), {
    keys: [
      { name: "shop", role: "intake", sha256: a },
      { name: "ops", role: "operate", sha256: b },
    ],
  });
});

test("a fault of a key file names the line and the fix, and never the secret", () => {
  const secret = createKey().key;
  for (const [text, message] of [
    ["", /^keys\.txt: there is no key; add one/],
    ["# none\n\n", /there is no key/],
    [`shop intake ${a}\nops operate`, /^keys\.txt, line 2: 2 words; write three/],
    [`shop intake ${a} ${b}`, /line 1: 4 words/],
    [secret, /line 1: 1 words/],
    [`shop admin ${a}`, /line 1: the role of "shop" must be one of intake, read, operate/],
    [`shop constructor ${a}`, /the role/],
    [`shop intake ${secret}`, /line 1: the SHA-256 of "shop" must be 64 hex digits/],
    [`shop intake ${a}0`, /64 hex digits/],
    [`sh/op intake ${a}`, /the name must be/],
    [`${"x".repeat(65)} intake ${a}`, /the name must be/],
    [`shop intake ${a}\nshop read ${b}`, /line 2: the name "shop" is used twice/],
    [`shop intake ${a}\n\nother read ${a}`, /line 3: the same key/],
  ] as const) {
    assert.throws(
      () => parseKeys(text, "keys.txt"),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, "keys_invalid");
        assert.match(error.message, message);
        assert.ok(!error.message.includes(secret));
        assert.doesNotMatch(error.message, /\n/);
        return true;
      },
    );
  }
});

test("a key whose line could not be read back is not formatted", () => {
  assert.throws(() => formatKeyLine({ name: "two words", role: "read", sha256: a }), { code: "keys_invalid" });
  assert.throws(() => formatKeyLine({ name: "shop", role: "read", sha256: "a" }), { code: "keys_invalid" });
});
