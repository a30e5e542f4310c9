import type { Exception } from "./protocol.ts";
import { kindNumber } from "./schema.ts";
import type { Statements } from "./statements.ts";

/**
 * Erases final orders, within the writer's transaction. Nobody counts them, no queue holds them and no claim is out on
 * them, so nothing but their three rows has to go.
 */
export function createRemoval(statements: Statements) {
  const erase = (seq: number): void => {
    // Keys of rows follow the last one, and after a restart the last one is read from the rows: without this, the next
    // order would get the key of one that is gone.
    const [last] = statements.lastSeq.get() as unknown as [number];
    if (seq === last) statements.setLastRemoved.run(seq);
    statements.removeKey.run(seq);
    statements.removeData.run(seq);
    statements.removeOrder.run(seq);
  };

  return {
    /** The last key that was given, to a row that is there or was removed. */
    lastSeq(): number {
      const [removed] = (statements.lastRemoved.get() ?? [0]) as unknown as [number];
      const [last] = statements.lastSeq.get() as unknown as [number];
      return Math.max(last, removed);
    },

    remove(index: number, seq: number, id: string): Exception | undefined {
      const found = statements.standing.get(seq) as unknown as { id: string; kind: number } | undefined;
      if (found === undefined || found.id !== id) return { index, is: "not_found" };
      if (found.kind !== kindNumber.final) return { index, is: "not_final" };
      erase(seq);
      return undefined;
    },

    /** Looks at up to `limit` orders after `afterSeq` that were placed before `endSeq`. */
    walk(index: number, afterSeq: number, endSeq: number, before: number, limit: number): Exception {
      const rows = statements.walk.all(afterSeq, endSeq, limit) as unknown as [number, number, number][];
      let removed = 0;
      for (const [seq, kind, updatedAt] of rows) {
        if (kind !== kindNumber.final || updatedAt >= before) continue;
        erase(seq);
        removed++;
      }
      return { index, is: "walked", removed, lastSeq: rows.length < limit ? null : (rows.at(-1)?.[0] ?? null) };
    },
  };
}
