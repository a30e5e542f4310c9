import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Order } from "cauce";
import { workflowName } from "./app.ts";
import type { Run } from "./handlerLog.ts";
import { type Acknowledgement, inParallel } from "./load.ts";

/** One visit of an order, and how many attempts it took. */
export interface VisitMade {
  readonly status: string;
  readonly visit: number;
  readonly attempts: number;
}

/** An order as its row has it, read without Cauce. */
export interface StoredRow {
  readonly id: string;
  readonly ref: string;
  readonly group: string;
  readonly flaky: boolean;
  readonly status: string;
  readonly visit: number;
  readonly version: number;
  readonly failed: boolean;
  /** Oldest first. The last visit is the current one. */
  readonly history: readonly VisitMade[];
}

/** Everything that is known at the end, from four independent sources. */
export interface Evidence {
  readonly delivery: "standard" | "fifo";
  readonly acknowledgements: readonly Acknowledgement[];
  /** By id, what the API says of each acknowledged order. Undefined if the API does not find the order. */
  readonly answers: ReadonlyMap<string, Order | undefined>;
  readonly rows: readonly StoredRow[];
  /** In the order in which the handlers ran. */
  readonly runs: readonly Run[];
}

/** Asks the API for every order that was acknowledged. */
export async function askForOrders(
  url: string,
  acknowledgements: readonly Acknowledgement[],
): Promise<Map<string, Order | undefined>> {
  const answers = new Map<string, Order | undefined>();
  const ids = new Set(acknowledgements.map(({ id }) => id));
  await inParallel(8, [...ids], async (client, id) => {
    const { status, body } = await client.get(`${url}/${workflowName}/${id}`);
    if (status !== 200 && status !== 404) throw new Error(`GET of order ${id} answered ${status}: ${body}`);
    answers.set(id, status === 200 ? (JSON.parse(body) as Order) : undefined);
  });
  return answers;
}

/**
 * Reads the store of a server that has ended, on a connection that cannot write. Throws when SQLite finds it damaged.
 */
export function readStore(directory: string): StoredRow[] {
  const db = new DatabaseSync(join(directory, `${workflowName}.db`), { readOnly: true });
  try {
    const { integrity_check: found } = db.prepare("PRAGMA integrity_check").get() as { integrity_check: string };
    if (found !== "ok") throw new Error(`the database is damaged: ${found}`);
    const rows = db
      .prepare(
        `SELECT o.id, o.status, o.visit, o.version, o.attempts, o.fingerprint, o.past, d.data
         FROM orders o LEFT JOIN order_data d ON d.seq = o.seq ORDER BY o.seq`,
      )
      .all() as unknown as {
      id: string;
      status: string;
      visit: number;
      version: number;
      attempts: number;
      fingerprint: string | null;
      past: string;
      data: string;
    }[];
    return rows.map(({ id, status, visit, version, attempts, fingerprint, past, data }) => {
      const { ref, group, flaky } = JSON.parse(data) as { ref: string; group: string; flaky: boolean };
      // The store keeps a visit as an array that begins with these three.
      const stored = JSON.parse(`[${past}]`) as [status: string, visit: number, attempts: number][];
      const ended = stored.map(([status, visit, attempts]) => ({ status, visit, attempts }));
      const history = [...ended, { status, visit, attempts }];
      return { id, ref, group, flaky, status, visit, version, failed: fingerprint !== null, history };
    });
  } finally {
    db.close();
  }
}
