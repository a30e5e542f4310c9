import type { Flight } from "./flights.ts";

/**
 * FIFO: SQS may give several messages of one group at once. One of them is handed out at a time, and the next when the
 * one before has left the status; where that one comes again, so do those behind it.
 */
export interface Groups {
  /** Of what was received together, in order: what may be handed out now. The others wait here. */
  arrive(flights: readonly Flight[]): Flight[];
  /** The head of its group has left: the next becomes ready. */
  left(flight: Flight): void;
  /** The head of its group comes again: those behind it are given back, and returned. */
  stays(flight: Flight): Flight[];
  takeReady(url: string, most: number): Flight[];
  /** Calls once when something of the queue is ready, unless the function that it returns is called first. */
  onReady(url: string, call: () => void): () => void;
}

export function createGroups(): Groups {
  const behind = new Map<string, Flight[]>();
  const ready = new Map<string, Flight[]>();
  const waiting = new Map<string, Set<() => void>>();
  const keyOf = ({ queue, groupId }: Flight) => `${queue.url} ${groupId}`;

  const wake = (url: string): void => {
    const all = waiting.get(url);
    waiting.delete(url);
    for (const resolve of all ?? []) resolve();
  };

  return {
    arrive(flights) {
      const heads: Flight[] = [];
      const seen = new Set<string>();
      for (const flight of flights) {
        if (flight.groupId === null) heads.push(flight);
        else {
          const key = keyOf(flight);
          if (!seen.has(key)) {
            // The queue gives none of a group that is in flight: what waited here before has run out of its lease.
            behind.delete(key);
            seen.add(key);
            heads.push(flight);
          } else behind.set(key, [...(behind.get(key) ?? []), flight]);
        }
      }
      return heads;
    },
    left(flight) {
      const key = keyOf(flight);
      const all = behind.get(key);
      const next = all?.shift();
      if (all?.length === 0) behind.delete(key);
      if (next === undefined) return;
      const { url } = flight.queue;
      ready.set(url, [...(ready.get(url) ?? []), next]);
      wake(url);
    },
    stays(flight) {
      const key = keyOf(flight);
      const all = behind.get(key) ?? [];
      behind.delete(key);
      return all;
    },
    takeReady(url, most) {
      const all = ready.get(url);
      if (all === undefined) return [];
      const taken = all.splice(0, most);
      if (all.length === 0) ready.delete(url);
      return taken;
    },
    onReady(url, call) {
      const all = waiting.get(url) ?? new Set();
      waiting.set(url, all.add(call));
      return () => all.delete(call);
    },
  };
}
