import type { IncomingMessage } from "node:http";
import { endWithProblem } from "./unreadable.ts";

/** Reads bodies off Node's requests, and cuts off whoever takes too long to send one. */
export interface Bodies {
  /**
   * All bytes of a body, without the stream and the copy that a `Request` makes of them; undefined once it is larger
   * than `bytesMax`. Rejects when the client hangs up before the end.
   */
  read(incoming: IncomingMessage, bytesMax: number): Promise<Uint8Array | undefined>;
  /** For a body that somebody else reads and that may be as long as it likes: it is cut off only where it stands still. */
  follow(incoming: IncomingMessage): void;
  close(): void;
}

interface Watched {
  /** The check at which the body has had its time. */
  until: number;
  /** For one that is followed: the bytes that had come at the last check. */
  bytes: number | undefined;
}

const checks = 12;

/**
 * Node has a limit for a whole request (`requestTimeout`), and no way to take it from one whose body is a stream; so it
 * is off, and this takes its place. One timer for all bodies, and an entry only while one is being read.
 */
export function createBodies({ seconds }: { seconds: number }): Bodies {
  const watched = new Map<IncomingMessage, Watched>();
  let check = 0;
  const timer = setInterval(
    () => {
      check++;
      for (const [incoming, each] of watched) {
        const { bytesRead } = incoming.socket;
        if (each.bytes !== undefined && each.bytes !== bytesRead) {
          each.bytes = bytesRead;
          each.until = check + checks;
        } else if (check >= each.until) {
          watched.delete(incoming);
          // One that is answered already, line by line, is just broken off.
          if (each.bytes !== undefined) incoming.socket.destroy();
          else endWithProblem(incoming.socket, "request_timed_out", "the body did not come in time; send it again");
        }
      }
    },
    (seconds * 1_000) / checks,
  ).unref();

  const watch = (incoming: IncomingMessage, bytes?: number): void => {
    watched.set(incoming, { until: check + checks, bytes });
  };

  return {
    read(incoming, bytesMax) {
      return new Promise((resolve, reject) => {
        const chunks: Buffer[] = [];
        let count = 0;
        watch(incoming);
        const onData = (chunk: Buffer) => {
          count += chunk.length;
          chunks.push(chunk);
          if (count <= bytesMax) return;
          incoming.off("data", onData);
          watched.delete(incoming);
          resolve(undefined);
        };
        incoming.on("data", onData);
        incoming.on("end", () => {
          watched.delete(incoming);
          resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks));
        });
        incoming.on("error", (error) => {
          watched.delete(incoming);
          reject(error);
        });
      });
    },
    follow(incoming) {
      watch(incoming, incoming.socket.bytesRead);
      incoming.once("close", () => watched.delete(incoming));
    },
    close: () => clearInterval(timer),
  };
}
