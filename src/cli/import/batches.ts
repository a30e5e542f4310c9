import type { Row } from "./row.ts";

export interface Batches {
  /** What has been read meanwhile: at least one row, at most a request's; undefined at the end, or once closed. Rejects as the reading did. */
  next(): Promise<Row[] | undefined>;
  /** Reads no further, and closes what it reads from unless it waits there for more. */
  close(): void;
}

/**
 * Reads on while a request is under way, up to another request's rows and no further. A fast file fills every request,
 * and a slow stream's lines wait for nothing.
 */
export function batchesOf(groups: AsyncIterable<Row[]>, max: { rows: number; characters: number }): Batches {
  const rows: Row[] = [];
  let characters = 0;
  let ended = false;
  let closed = false;
  let failure: { readonly error: unknown } | undefined;
  let wake = (): void => {};
  const changed = () => new Promise<void>((resolve) => (wake = resolve));

  const read = async (): Promise<void> => {
    for await (const group of groups) {
      for (const row of group) {
        rows.push(row);
        characters += row.body.length;
      }
      wake();
      while (!closed && (rows.length >= max.rows || characters >= max.characters)) await changed();
      if (closed) return;
    }
  };
  const reading = read().then(
    () => void (ended = true),
    (error: unknown) => {
      ended = true;
      failure = { error };
    },
  );
  void reading.then(() => wake());

  return {
    async next() {
      while (rows.length === 0 && !ended && !closed) await changed();
      if (closed) return undefined;
      if (rows.length === 0 && failure !== undefined) throw failure.error;
      if (rows.length === 0) return undefined;
      let count = 0;
      let taken = 0;
      while (count < rows.length && count < max.rows && taken < max.characters) {
        taken += (rows[count++] as Row).body.length;
      }
      characters -= taken;
      const batch = rows.splice(0, count);
      wake();
      return batch;
    },
    close() {
      closed = true;
      wake();
    },
  };
}
