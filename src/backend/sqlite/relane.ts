import type { DatabaseSync } from "node:sqlite";
import { bucket, queueState, readMeta, writeMeta } from "./schema.ts";

/**
 * A store that was used with the other delivery keeps its orders: for FIFO every queued order joins its group's lane
 * and all but the head are parked; for standard the lanes dissolve. Done once, at the start after the setting changed.
 */
export function setDelivery(db: DatabaseSync, fifo: boolean): void {
  const wanted = fifo ? "fifo" : "standard";
  const stored = readMeta(db, "delivery");
  if (stored === wanted) return;
  db.exec("BEGIN IMMEDIATE");
  try {
    if (stored !== undefined) {
      db.exec(fifo ? intoLanes : outOfLanes);
      db.exec(recount);
    }
    writeMeta(db, "delivery", wanted);
    db.exec("COMMIT");
  } catch (error) {
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  }
}

const intoLanes = `
  UPDATE orders SET lane = group_key WHERE queue IS NOT NULL AND group_key IS NOT NULL;
  UPDATE orders SET queue = ${queueState.parked} WHERE seq IN (
    SELECT seq FROM (
      SELECT seq, row_number() OVER (PARTITION BY status, lane ORDER BY position) AS place FROM orders WHERE lane IS NOT NULL
    ) WHERE place > 1
  );`;

// What was parked while it was delayed has its time in \`due\` still.
const outOfLanes = `
  UPDATE orders SET queue = CASE WHEN due IS NULL THEN ${queueState.ready} ELSE ${queueState.delayed} END
    WHERE queue = ${queueState.parked};
  UPDATE orders SET lane = NULL WHERE lane IS NOT NULL;`;

const recount = `
  DELETE FROM counts WHERE bucket < ${bucket.waiting};
  INSERT INTO counts SELECT status, queue, count(*) FROM orders WHERE queue IS NOT NULL GROUP BY status, queue;`;
