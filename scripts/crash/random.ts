import { hash } from "node:crypto";

/** Gives numbers from 0 up to 1, the same ones for the same seed. */
export function seededRandom(seed: string): () => number {
  let drawn = 0;
  return () => {
    drawn++;
    return Number.parseInt(hash("sha256", `${seed}:${drawn}`).slice(0, 12), 16) / 2 ** 48;
  };
}
