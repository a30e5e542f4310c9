import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { cutError, fingerprintOf } from "../../src/core/fingerprint.ts";

describe("fingerprintOf", () => {
  const same: readonly (readonly [what: string, ...messages: string[]])[] = [
    ["numbers", "gateway answered 503 after 12 ms", "gateway answered 502 after 9871 ms"],
    ["decimals and times", "took 1.5 s at 10:32:07", "took 12.25 s at 23:01:59"],
    [
      "UUIDs",
      "order 0193b1c2-7d3e-7c41-9d43-0a1b2c3d4e5f not found",
      "order FFFFFFFF-ffff-4fff-8fff-ffffffffffff not found",
    ],
    ["hex hashes", "no blob 9f86d081884c7d659a2feaa0c55ad015", "no blob 2c26b46b68ffc68ff99b453c1d304134"],
    ["ids with a prefix", "charge ch_3MmlLrLkdIwHu7ix declined", "charge ch_1NirD82eZvKYlo2C declined"],
    ["ports and addresses", "connect ECONNREFUSED 127.0.0.1:5432", "connect ECONNREFUSED 10.0.12.7:61000"],
    ["dates", "expired at 2026-01-31T09:00:00.000Z", "expired at 2027-12-01T23:59:59.999Z"],
    ["ids of growing length", "order c-999 lost", "order c-1000 lost"],
    ["decimals of growing length", "took 99999.5 ms", "took 123456.5 ms"],
    ["quoted values", 'no user "alice"', 'no user "bob"'],
    ["the sign of a number", "stock is -5", "stock is 5"],
    ["hex without digits", "no blob deadbeefdeadbeefdeadbeef", "no blob 9f86d081884c7d659a2feaa0"],
    ["white space", "line one\n  line two", "line one line two"],
  ];
  for (const [what, ...messages] of same) {
    it(`is the same for messages that differ in ${what}`, () => {
      const fingerprints = new Set(messages.map(fingerprintOf));
      assert.equal(fingerprints.size, 1, [...fingerprints].join(" | "));
      assert.doesNotMatch([...fingerprints].join(), /\d/);
    });
  }

  it("is the same whatever whole numbers a message has", () => {
    const expected = fingerprintOf("item 1 of 1 has quantity 1");
    for (let n = 0; n < 1_000; n++) {
      const number = Math.floor(1.05 ** n) % 10_000_000_000;
      assert.equal(fingerprintOf(`item ${number} of ${n} has quantity ${number + n}`), expected);
    }
  });

  it("differs between messages whose words differ", () => {
    const messages = ["gateway down", "gateway slow", "card declined", "declined card"];
    assert.equal(new Set(messages.map(fingerprintOf)).size, messages.length);
  });

  it("keeps plain words as they are", () => {
    assert.equal(fingerprintOf("the well-known gateway_timeout happened"), "the well-known gateway_timeout happened");
  });

  it("is the fingerprint of itself, so that fingerprints can be grouped again", () => {
    for (const [, ...messages] of same) {
      for (const fingerprint of messages.map(fingerprintOf)) assert.equal(fingerprintOf(fingerprint), fingerprint);
    }
  });

  it("is at most 200 characters, however long the message", () => {
    assert.equal(fingerprintOf("a message ".repeat(100_000)).length, 200);
    assert.equal(fingerprintOf(""), "");
  });

  it("is well-formed Unicode where the cut falls inside a character", () => {
    assert.ok(fingerprintOf(`${"x".repeat(199)}😀`).isWellFormed());
  });
});

describe("cutError", () => {
  const bytes = (text: string) => Buffer.byteLength(text);

  it("leaves a message of up to 1,024 bytes as it is", () => {
    for (const message of ["", "down", "a".repeat(1_024), "é".repeat(512), "😀".repeat(256), "€".repeat(341)]) {
      assert.equal(cutError(message), message);
    }
  });

  it("cuts a longer message to at most 1,024 bytes of UTF-8, splits no character and marks the cut", () => {
    for (const character of ["a", "é", "€", "😀"]) {
      for (let lead = 0; lead < 8; lead++) {
        for (const extra of [0, 1, 2, 3, 4, 5, 1_000]) {
          const message = "x".repeat(lead) + character.repeat(Math.ceil(1_025 / bytes(character)) + extra);
          const cut = cutError(message);
          assert.ok(bytes(cut) <= 1_024, `${bytes(cut)} bytes`);
          assert.ok(bytes(cut) > 1_024 - 3 - bytes(character) - 1, `only ${bytes(cut)} bytes are kept`);
          assert.ok(cut.endsWith("…") && message.startsWith(cut.slice(0, -1)));
          assert.ok(cut.isWellFormed() && !cut.includes("\u{fffd}"));
        }
      }
    }
  });

  it("gives valid UTF-8 even for a message with half a character in it", () => {
    const cut = cutError("\ud83d".repeat(2_000));
    assert.ok(bytes(cut) <= 1_024);
    assert.ok(cut.isWellFormed());
  });
});
