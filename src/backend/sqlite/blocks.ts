import { blockSize } from "./schema.ts";
import type { Statements } from "./statements.ts";

/** Numbers orders with a group in blocks, as they come. */
export function createBlocks(statements: Statements) {
  let block = 1;
  let filled = 0;
  const blocks = {
    load(): void {
      [block] = statements.lastBlock.get() as unknown as [number];
      [filled] = statements.blockCount.get(block) as unknown as [number];
    },
    /** The block of the next order with a group. */
    next(): number {
      if (filled >= blockSize) {
        block++;
        filled = 0;
      }
      filled++;
      return block;
    },
  };
  blocks.load();
  return blocks;
}
