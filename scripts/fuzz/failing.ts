import type { Encoder } from "../../src/backend/sqlite/batch/codec.ts";

/** Gives an encoder that throws at a write: the one after so many. Undefined never throws. */
export function failingAfter(to: Encoder, writes: number | undefined): Encoder {
  let written = 0;
  const check = () => {
    if (written++ === writes) throw new Error("made to fail");
  };
  return {
    ...to,
    number(value) {
      check();
      to.number(value);
    },
    text(value) {
      check();
      to.text(value);
    },
    value(value) {
      check();
      to.value(value);
    },
  };
}
