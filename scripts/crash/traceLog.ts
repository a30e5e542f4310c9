/**
 * One traced system call. Its lines in the log show when it began and ended, since strace writes calls as they happen.
 */
export interface Call {
  readonly name: string;
  /** What the call's descriptor stands for: a path, or `socket:[…]`. */
  readonly target: string;
  /** The call's arguments as strace prints them, escapes included. */
  readonly text: string;
  /** The number of the line on which the call begins, and of the line on which it has returned. */
  readonly begin: number;
  readonly end: number;
}

export interface Proof {
  /** The orders for which a 202 was written, by id. */
  readonly answered: ReadonlySet<string>;
  /** Syncs of the write-ahead log. */
  readonly syncs: number;
  /** One line for each 202 that was written too early, or for which the log does not show when. */
  readonly faults: readonly string[];
}

/**
 * Reads the calls that returned without an error, by their end. Joins a call that another thread's line cuts in two.
 */
export function* readCalls(lines: Iterable<string>): Generator<Call> {
  const begun = new Map<string, { name: string; text: string; begin: number }>();
  let number = 0;
  for (const line of lines) {
    number++;
    const [, pid = "", rest = ""] = /^(\d+) +(.*)$/.exec(line) ?? [];
    const [, resumed] = /^<\.\.\. (\w+) resumed>/.exec(rest) ?? [];
    const [, name, text] = /^(\w+)\((.*)$/.exec(rest) ?? [];
    let call: { name: string; text: string; begin: number } | undefined;
    if (resumed !== undefined) {
      call = begun.get(pid);
      begun.delete(pid);
    } else if (name !== undefined && text !== undefined) {
      call = { name, text, begin: number };
      if (text.endsWith("<unfinished ...>")) {
        begun.set(pid, call);
        continue;
      }
    }
    if (call === undefined || !/ = \d+$/.test(rest)) continue;
    const [, target = ""] = /^\d+<([^>]*)>/.exec(call.text) ?? [];
    yield { ...call, target, end: number };
  }
}

/** A page in the write-ahead log. The last page of a transaction is marked. */
interface Frame {
  readonly commits: boolean;
  readonly end: number;
}

const frameHeaderBytes = 24;
const idPattern = /[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/g;
const answerPattern = /HTTP\/1\.1 202 .*?\\r\\nLocation: \S*?([0-9a-f-]{36})\\r\\n/gi;

/**
 * Checks each 202 against the syncs of the write-ahead log. A sync must have begun after the whole transaction with
 * that order's row was written, and must have returned before the 202 was written:
 *
 *   pwrite64(wal, …id…) ─ pwrite64(wal, last frame of the transaction) ─ fsync(wal) begins ─ returns ─ write(socket, 202 …id…)
 */
export function proveSynced(calls: Iterable<Call>): Proof {
  const frames: Frame[] = [];
  const frameOf = new Map<string, number>();
  const syncs: Call[] = [];
  const answers: { id: string; begin: number }[] = [];
  let header: string | undefined;
  for (const call of calls) {
    const { name, target, text, begin, end } = call;
    if (target.endsWith("-wal")) {
      if (name === "fsync" || name === "fdatasync") syncs.push(call);
      else if (bytesWritten(text) === frameHeaderBytes) header = text;
      else if (header !== undefined) {
        for (const [id] of text.matchAll(idPattern)) if (!frameOf.has(id)) frameOf.set(id, frames.length);
        frames.push({ commits: hasDatabaseSize(header), end });
        header = undefined;
      }
    } else if (target.startsWith("socket:")) {
      for (const [, id] of text.matchAll(answerPattern)) if (id !== undefined) answers.push({ id, begin });
    }
  }
  const faults = answers.flatMap(({ id, begin }) => {
    const written = frameOf.get(id);
    if (written === undefined) return [`the log never holds order ${id}, for which a 202 was written`];
    const commit = frames.slice(written).find(({ commits }) => commits);
    const sync = commit && syncs.find((each) => each.begin > commit.end);
    return sync !== undefined && sync.end < begin
      ? []
      : [`the 202 of order ${id} was written before its batch was synced`];
  });
  return { answered: new Set(answers.map(({ id }) => id)), syncs: syncs.length, faults };
}

/** The third argument of `write` and `pwrite64`. */
function bytesWritten(text: string): number {
  return Number(/"(?:\.\.\.)?, (\d+)(?:, \d+)?(?:\)| <unfinished)/.exec(text)?.[1]);
}

/** A frame's header has the page's number, then the size of the database after a commit, 0 in any other frame. */
function hasDatabaseSize(header: string): boolean {
  const [, escaped = ""] = /^\d+<[^>]*>, "((?:[^"\\]|\\.)*)"/.exec(header) ?? [];
  const bytes = [...escaped.matchAll(/\\(?:x[0-9a-f]{2}|[0-7]{1,3}|.)|[^\\]/g)].map(([byte]) => byte);
  if (bytes.length !== frameHeaderBytes) throw new Error(`the trace has a frame header of ${bytes.length} bytes`);
  return bytes.slice(4, 8).some((byte) => byte !== "\\0");
}
