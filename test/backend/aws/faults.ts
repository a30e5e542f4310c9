import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/**
 * What happens to one call, with every try that the SDK makes of it.
 *   refused      the service answers with an error, and the call has no effect
 *   lost         the call takes effect, and every try ends with a lost connection
 *   repeated     the call takes effect, the connection is lost, and the SDK's next try takes effect too
 *   late         the first try times out, the next is answered, and then the first takes effect after all
 *   unanswered   no try is answered, and the call takes effect
 *   killed       the call takes effect, and its process dies before the answer
 */
export const faults = ["refused", "lost", "repeated", "late", "unanswered", "killed"] as const;
export type Fault = (typeof faults)[number];

export interface Call {
  /** `PutItem`, `PublishBatch`, … */
  readonly action: string;
  readonly body: string;
}

/** A place in the product that makes a call, recognized by the call's action and body. */
export interface Kind {
  readonly action: string;
  /** Texts that the body must have. */
  readonly has?: readonly string[];
}

/** One call of a kind. */
export interface Site {
  readonly kind: Kind;
  /** Texts that the body must have besides. */
  readonly has?: readonly string[];
  /** Which of the matching calls. Default: 1, the first. */
  readonly nth?: number;
}

export interface Plan {
  readonly site: Site;
  readonly fault: Fault;
}

export interface Trouble {
  /** Whether every planned fault has begun. */
  readonly fired: boolean;
  /** How many of them have begun. */
  readonly begun: number;
}

export interface FaultProxy {
  readonly url: string;
  /** Has a stage's calls meet these faults, each once, in this order. `onKilled` gets the killed process's number. */
  trouble(stage: number, plans: readonly Plan[], onKilled: (process: number) => void): Trouble;
  /** The product's calls that belong to none of the kinds. */
  readonly unknown: ReadonlySet<string>;
  stop(): Promise<void>;
}

/** Gives the stage's own name, which its resources have. */
export function stageName(stage: number): string {
  return nameOf(stage, 0);
}

/** Gives a process's name for the stage, which tells the proxy whose call it is. All names are equally long. */
export function nameOf(stage: number, process: number): string {
  return `c${String(stage).padStart(4, "0")}p${process}`;
}

const namePattern = /\bc(\d{4})p(\d)\b/;
const everyName = /\b(c\d{4})p\d\b/g;

interface Held extends Plan {
  readonly onKilled: (process: number) => void;
  seen: number;
  invocation: string | undefined;
  tries: number;
  /** Forwards the try that was held back. */
  happens: () => void;
}

/**
 * Stands between the SDK and the services that the environment names, and sets the environment to its own address. Each
 * process has its own name for the stage. The proxy knows the caller by this name, and translates it both ways.
 */
export async function startFaultProxy(kinds: readonly Kind[]): Promise<FaultProxy> {
  const { env } = process;
  const upstream = { dynamo: env.AWS_ENDPOINT_URL_DYNAMODB as string, sqs: env.AWS_ENDPOINT_URL_SQS as string };
  const unknown = new Set<string>();
  let url = "";
  const troubles = new Map<number, Held[]>();
  const gone = new Set<string>();
  const open = new Map<string, Set<() => void>>();

  const cut = (process: string): void => {
    gone.add(process);
    for (const end of open.get(process) ?? []) end();
  };

  /** Gives the fault that this call meets, or undefined where the next fault is for another call. */
  const meets = (stage: number, call: Call, invocation: string): Held | undefined => {
    const plans = troubles.get(stage) ?? [];
    const begun = plans.find((plan) => plan.invocation === invocation);
    if (begun !== undefined) return begun;
    const next = plans.find((plan) => plan.invocation === undefined);
    if (next === undefined || !matches(next.site, call)) return undefined;
    next.seen++;
    if (next.seen < (next.site.nth ?? 1)) return undefined;
    next.invocation = invocation;
    return next;
  };

  const forward = (incoming: IncomingMessage, body: string, process: string | undefined): Promise<ProxyResponse> =>
    new Promise((resolve, reject) => {
      const isDynamo = String(incoming.headers["x-amz-target"] ?? "").startsWith("DynamoDB_");
      const { host: _, ...headers } = incoming.headers;
      const outgoing = request(
        new URL(incoming.url ?? "/", isDynamo ? upstream.dynamo : upstream.sqs),
        { method: incoming.method, headers },
        async (answer) => {
          const text = await textOf(answer).catch(reject);
          if (text === undefined) return;
          const { "x-amz-crc32": _, "transfer-encoding": __, "content-length": ___, ...kept } = answer.headers;
          // The emulator answers with queue URLs on a host of its own.
          const own = text.replaceAll(/http:\/\/sqs\.[\w.-]+:\d+/g, url);
          const back = process === undefined ? own : own.replaceAll(everyName, process);
          resolve({ status: answer.statusCode ?? 500, headers: kept, text: back });
        },
      );
      outgoing.on("error", reject);
      outgoing.end(body.replaceAll(everyName, "$1p0"), "latin1");
    });

  const serve = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const body = await textOf(incoming);
    const [process, stage] = namePattern.exec(body) ?? [];
    if (process === undefined || stage === undefined || process.endsWith("p0")) {
      return reply(outgoing, await forward(incoming, body, undefined));
    }
    const hangUp = () => outgoing.destroy();
    if (gone.has(process)) return void hangUp();
    const ends = open.get(process) ?? new Set();
    open.set(process, ends.add(hangUp));
    outgoing.on("close", () => ends.delete(hangUp));

    const target = String(incoming.headers["x-amz-target"] ?? "");
    const action = target === "" ? (/Action=(\w+)/.exec(body)?.[1] ?? "") : (target.split(".").at(-1) as string);
    const plain = target === "" ? decodeURIComponent(body.replaceAll("+", " ")) : body;
    const call = { action, body: plain };
    if (!kinds.some((kind) => isOf(kind, call))) unknown.add(`${action} ${plain}`);
    const held = meets(Number(stage), call, String(incoming.headers["amz-sdk-invocation-id"]));
    if (held === undefined) return reply(outgoing, await forward(incoming, body, process));
    held.tries++;
    switch (held.fault) {
      case "refused":
        return reply(outgoing, refusal(target !== ""));
      case "lost":
        if (held.tries === 1) await forward(incoming, body, process);
        return void hangUp();
      case "repeated": {
        const answer = await forward(incoming, body, process);
        return held.tries === 1 ? void hangUp() : reply(outgoing, answer);
      }
      case "late":
        if (held.tries === 1) {
          held.happens = () => void forward(incoming, body, process).catch(() => {});
          return;
        }
        reply(outgoing, await forward(incoming, body, process));
        if (held.tries === 2) held.happens();
        return;
      case "unanswered":
        if (held.tries === 1) outgoing.on("close", () => forward(incoming, body, process).catch(() => {}));
        return;
      case "killed":
        await forward(incoming, body, process);
        cut(process);
        held.onKilled(Number(process.at(-1)));
    }
  };

  const server = createServer((incoming, outgoing) => {
    serve(incoming, outgoing).catch(() => outgoing.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  for (const service of ["DYNAMODB", "SQS", "SNS"]) env[`AWS_ENDPOINT_URL_${service}`] = url;
  return {
    url,
    unknown,
    trouble(stage, plans, onKilled) {
      const held = plans.map(
        (plan): Held => ({ ...plan, onKilled, seen: 0, invocation: undefined, tries: 0, happens() {} }),
      );
      troubles.set(stage, held);
      return {
        get fired() {
          return held.every(({ invocation }) => invocation !== undefined);
        },
        get begun() {
          return held.filter(({ invocation }) => invocation !== undefined).length;
        },
      };
    },
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

interface ProxyResponse {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly text: string;
}

function isOf({ action, has = [] }: Kind, call: Call): boolean {
  return call.action === action && has.every((text) => call.body.includes(text));
}

function matches({ kind, has = [] }: Site, call: Call): boolean {
  return isOf(kind, call) && has.every((text) => call.body.includes(text));
}

// Latin-1 has one character a byte, so a body passes unchanged but for the names.
async function textOf(stream: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("latin1");
}

function reply(outgoing: ServerResponse, { status, headers, text }: ProxyResponse): void {
  outgoing.writeHead(status, Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined)));
  outgoing.end(text, "latin1");
}

function refusal(isJson: boolean): ProxyResponse {
  const text = isJson
    ? '{"__type":"ServiceUnavailable","message":"refused"}'
    : "<ErrorResponse><Error><Type>Receiver</Type><Code>ServiceUnavailable</Code><Message>refused</Message></Error></ErrorResponse>";
  return { status: 503, headers: { "content-type": isJson ? "application/x-amz-json-1.0" : "text/xml" }, text };
}
