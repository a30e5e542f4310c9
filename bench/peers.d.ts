// Types of what the benchmark uses of its own packages. The repository's type check then runs without installing them.

declare module "bullmq" {
  import type { Redis } from "ioredis";

  interface Connection {
    readonly host: string;
    readonly port: number;
    readonly maxRetriesPerRequest: null;
  }

  export class Queue<Data> {
    constructor(name: string, options: { connection: Redis | Connection; streams?: { events: { maxLen: number } } });
    add(name: string, data: Data): Promise<unknown>;
  }

  export class Worker<Data> {
    constructor(
      name: string,
      handle: (job: { readonly data: Data }) => Promise<void>,
      options: {
        connection: Redis | Connection;
        concurrency: number;
        removeOnComplete: { count: number };
        removeOnFail: { count: number };
      },
    );
    on(event: "error" | "failed", listener: (...parts: unknown[]) => void): this;
    waitUntilReady(): Promise<unknown>;
  }
}

declare module "ioredis" {
  export class Redis {
    constructor(options: {
      host: string;
      port: number;
      maxRetriesPerRequest: null;
    });
    hset(key: string, ...fieldsAndValues: (string | number)[]): Promise<number>;
    hgetall(key: string): Promise<Record<string, string>>;
  }
}

declare module "autocannon" {
  interface Request {
    readonly method: "POST";
    readonly headers: Record<string, string>;
    readonly body: string;
    onResponse(status: number, body: string): void;
  }

  interface Result {
    readonly "2xx": number;
    readonly non2xx: number;
    readonly errors: number;
    readonly timeouts: number;
    /** Seconds. */
    readonly duration: number;
    /** Milliseconds. */
    readonly latency: { readonly p99: number };
  }

  export default function autocannon(options: {
    url: string;
    connections: number;
    duration: number;
    overallRate?: number;
    setupClient: (client: { setRequests(requests: readonly Request[]): void }) => void;
  }): Promise<Result>;
}
