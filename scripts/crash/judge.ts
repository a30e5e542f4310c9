import type { Order } from "cauce";
import { flakyStatus, path } from "./app.ts";
import type { Evidence, StoredRow, VisitMade } from "./evidence.ts";
import type { Run } from "./handlerLog.ts";

export interface Verdict {
  /** Orders that the server acknowledged to a client. */
  readonly acknowledged: number;
  /** Acknowledged orders that are not found, or are not final. */
  readonly lost: number;
  /** Orders with a visit that has two transitions, a commit too many or too few, or a twin under the same key. */
  readonly appliedTwice: number;
  /** Handler runs beyond the first of each `id:visit`. */
  readonly handlerRepeats: number;
  /** Repeated runs of handlers that never throw, so that only a kill can be the reason. */
  readonly repeatsAfterDeath: number;
  /** Everything that must not happen, one line each. */
  readonly faults: readonly string[];
}

/** Judges the evidence. Pure. */
export function judge(evidence: Evidence): Verdict {
  const { delivery, rows, runs } = evidence;
  const { acknowledged, lost } = findLost(evidence);
  const twice = findAppliedTwice(evidence);
  const faults = [
    ...lost,
    ...twice.faults,
    ...rows
      .filter(({ status, failed }) => status !== path.at(-1) || failed)
      .map(({ id, status, failed }) => `order ${id} is stored in "${status}"${failed ? ", failed" : ""}: not finished`),
    ...findRunFaults(rows, runs),
    ...(delivery === "fifo" ? findOutOfOrder(evidence) : []),
  ];
  const { handlerRepeats, repeatsAfterDeath } = countRepeats(rows, runs);
  return { acknowledged, lost: lost.length, appliedTwice: twice.orders, handlerRepeats, repeatsAfterDeath, faults };
}

function findLost({ acknowledgements, answers }: Evidence): { acknowledged: number; lost: string[] } {
  const refs = new Map(acknowledgements.map(({ id, wanted }) => [id, wanted.ref]));
  const lost = [...refs].flatMap(([id, ref]) => {
    const order = answers.get(id);
    if (order === undefined) return [`order ${id} (${ref}) was acknowledged and is not found`];
    const found = (order.data as { ref: string }).ref;
    if (found !== ref) return [`order ${id} was acknowledged for ${ref} and holds ${found}`];
    if (order.status === path.at(-1) && order.failure === null) return [];
    return [`order ${id} was acknowledged and is in "${order.status}" ${order.failure?.code ?? "unfailed"}`];
  });
  return { acknowledged: refs.size, lost };
}

function findAppliedTwice({ acknowledgements, answers, rows }: Evidence): { orders: number; faults: string[] } {
  const wrong = new Map<string, string>();
  for (const row of rows) {
    const fault = historyFault(row) ?? differs(row, answers.get(row.id));
    if (fault !== undefined) wrong.set(row.id, `order ${row.id} ${fault}`);
  }
  // A client sends an order again only with its key, so the store may have no order twice.
  const idOf = new Map<string, string>();
  for (const { ref, id } of [...rows, ...acknowledgements.map(({ wanted, id }) => ({ ref: wanted.ref, id }))]) {
    const first = idOf.get(ref) ?? id;
    idOf.set(ref, first);
    if (first !== id) wrong.set(id, `order ${id} is a twin of ${first}: both are ${ref}`);
  }
  return { orders: wrong.size, faults: [...wrong.values()] };
}

/**
 * Each attempt is one commit. An attempt that failed or died commits that, and the last attempt commits the transition.
 * So a whole history accounts for every version, and a commit that was made twice shows as a version too many.
 */
function historyFault({ history, status, visit, version }: StoredRow): string | undefined {
  const statuses = history.map(({ status }) => status);
  if (statuses.join() !== path.slice(0, statuses.length).join()) return `went ${statuses.join(" → ")}`;
  if (history.some((made, index) => made.visit !== index)) return `has the visits ${history.map((v) => v.visit)}`;
  if (visit !== history.length - 1) return `is at visit ${visit} and has ${history.length - 1} transitions`;
  // An attempt that has begun is counted when it is recorded, before its own commit: only a finished order adds up.
  if (status !== path.at(-1)) return undefined;
  const commits = history.reduce((sum, { attempts }) => sum + attempts, 0);
  if (version !== 1 + commits) return `has version ${version}; its history makes ${1 + commits}`;
  return undefined;
}

function differs(row: StoredRow, order: Order | undefined): string | undefined {
  if (order === undefined) return undefined;
  const tell = (version: number, history: readonly VisitMade[]) =>
    `${version} ${history.map(({ status, visit, attempts }) => `${status}/${visit}/${attempts}`).join(" ")}`;
  const [stored, answered] = [tell(row.version, row.history), tell(order.version, order.history)];
  return stored === answered ? undefined : `is stored as ${stored} and answered as ${answered}`;
}

/**
 * Checks that no process ran an attempt twice, and that the attempt ran which moved the order by its history. A later
 * process may run an attempt again: that of a suspect which was tried beside others when the process died.
 */
function findRunFaults(rows: readonly StoredRow[], runs: readonly Run[]): string[] {
  const known = new Set(rows.map(({ id }) => id));
  const ran = new Set<string>();
  const faults: string[] = [];
  const ranInLife = new Set<string>();
  for (const { id, visit, attempt, life } of runs) {
    const name = `attempt ${attempt} of ${id}:${visit}`;
    const nameInLife = `${name} in life ${life}`;
    if (ranInLife.has(nameInLife)) faults.push(`${name} ran twice in one process`);
    if (!known.has(id)) faults.push(`${name} ran and there is no such order`);
    ran.add(name);
    ranInLife.add(nameInLife);
  }
  for (const { id, history } of rows) {
    for (const { visit, attempts } of history.slice(0, -1)) {
      const name = `attempt ${attempts} of ${id}:${visit}`;
      if (!ran.has(name)) faults.push(`${name} moved the order and never ran`);
    }
  }
  return faults;
}

/** Checks that within a status a group's orders are handled one at a time, in the order in which they were placed. */
function findOutOfOrder({ rows, runs, acknowledgements }: Evidence): string[] {
  const groupOf = new Map(rows.map(({ id, group }) => [id, group]));
  const lines = new Map<string, string[]>();
  for (const { id, visit } of runs) {
    const lane = `${path[visit]} of group ${groupOf.get(id)}`;
    const ids = lines.get(lane) ?? [];
    if (ids.at(-1) !== id) ids.push(id);
    lines.set(lane, ids);
  }
  // Ids sort by the time of placing. An order that runs again after another one began breaks the order too.
  const faults = [...lines].flatMap(([lane, ids]) => outOfOrder(ids).map((pair) => `in ${lane}: ${pair}`));
  const byClient = Map.groupBy(acknowledgements, ({ wanted }) => wanted.client);
  for (const [client, acknowledged] of byClient) {
    const first = new Map(acknowledged.map(({ id, wanted }) => [wanted.ref, id]));
    faults.push(...outOfOrder([...first.values()]).map((pair) => `client ${client} placed one after another: ${pair}`));
  }
  return faults;
}

function outOfOrder(ids: readonly string[]): string[] {
  return ids.flatMap((id, index) => {
    const before = ids[index - 1];
    return before !== undefined && before >= id ? [`${id} came after ${before}`] : [];
  });
}

function countRepeats(rows: readonly StoredRow[], runs: readonly Run[]) {
  const flaky = new Set(rows.flatMap((row) => (row.flaky ? [row.id] : [])));
  const ran = new Set<string>();
  let handlerRepeats = 0;
  let repeatsAfterDeath = 0;
  for (const { id, visit } of runs) {
    const name = `${id}:${visit}`;
    if (ran.has(name)) {
      handlerRepeats++;
      if (path[visit] !== flakyStatus || !flaky.has(id)) repeatsAfterDeath++;
    }
    ran.add(name);
  }
  return { handlerRepeats, repeatsAfterDeath };
}
