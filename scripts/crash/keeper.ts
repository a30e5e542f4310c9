import { describeEnd, type Ended, type Server, type ServerOptions, startServer } from "./server.ts";

/** A server that listens. Each start makes another object, even if the server gets the same port. */
export interface Listening {
  readonly url: string;
}

export interface Keeper {
  start(options: ServerOptions): Server;
  /** Gives the server that listens. Waits for another server than `gone`, whose connections have just broken. */
  address(gone?: Listening): Promise<Listening>;
  /** Ends the server and resolves when its process has ended. */
  end(signal: "SIGKILL" | "SIGTERM"): Promise<Ended>;
  /** Rejects when a server ends by itself. */
  readonly failed: Promise<never>;
  /** Kills the server if it still runs. */
  close(): Promise<void>;
}

/** Starts and ends servers, one after another, and gives clients the address of the present one. */
export function createKeeper(): Keeper {
  let server: Server | undefined;
  let listening: Listening | undefined;
  let waiting: ((listening: Listening) => void)[] = [];
  let fail: (error: Error) => void = () => {};
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failed.catch(() => {});

  return {
    failed,
    start(options) {
      const started = startServer(options);
      server = started;
      started.address.then(
        (url) => {
          if (server !== started) return;
          listening = { url };
          for (const resolve of waiting) resolve(listening);
          waiting = [];
        },
        () => {},
      );
      void started.ended.then((end) => {
        if (server === started) fail(new Error(`the server ended by itself: ${describeEnd(end)}`));
      });
      return started;
    },
    address(gone) {
      if (listening !== undefined && listening !== gone) return Promise.resolve(listening);
      return new Promise((resolve) => void waiting.push(resolve));
    },
    async end(signal) {
      const ending = server;
      if (ending === undefined) throw new Error("there is no server to end");
      server = undefined;
      ending.kill(signal);
      return ending.ended;
    },
    async close() {
      const left = server;
      server = undefined;
      left?.kill("SIGKILL");
      await left?.ended;
    },
  };
}
