import { processingHandler, requestHandler, type SqsEvent, sweepHandler } from "../../src/lambda/index.ts";
import {
  type Cell,
  cells,
  createApp,
  handled,
  kinds,
  type Stage,
  sleep,
  untilEnded,
} from "../backend/aws/faultCells.ts";
import { type Fault, nameOf, stageName } from "../backend/aws/faults.ts";
import { createEventSource, invocation } from "./eventSource.ts";

/** The call that the event source makes, and the functions do not. */
const taken = { action: "DeleteMessage" };
const { hidden, received, meta, shards } = kinds;

export interface FunctionCell extends Cell {
  /** Whether the processing function's first invocation has too little time to begin. */
  readonly shortOfTime?: boolean;
}

export const rows: readonly FunctionCell[] = [
  { name: "open: the table's own item", site: { kind: meta } },
  { name: "open: the count of shards", site: { kind: shards } },
  ...cells.place,
  { name: "event source: the receive", site: { kind: received } },
  ...cells.attempt,
  ...cells.commit,
  ...cells.settle,
  { name: "give back: the invisibility", site: { kind: hidden }, shortOfTime: true },
  ...cells.redeliver,
  { name: "event source: the delete", site: { kind: taken } },
  { name: "event source: the last delete", site: { kind: taken, nth: 2 } },
  ...cells.sweep,
];

const makers = { request: requestHandler, processing: processingHandler, sweep: sweepHandler };
type Name = keyof typeof makers;
const visibilitySeconds = 3;

/** Has functions, event sources and a schedule place and handle the order. A part that dies is replaced. */
export async function endsOnce(stage: Stage, cell: FunctionCell, fault: Fault): Promise<void> {
  const { stack, delivery, proxy, number } = stage;
  const app = createApp();
  const said: string[] = [];
  let made = 0;
  let over = false;

  /** Makes a name by which the proxy knows the caller, and a promise that resolves when the caller is killed. */
  const deaths = new Map<number, () => void>();
  const alive = () => {
    const own = ++made;
    const gone = new Promise<undefined>((resolve) => deaths.set(own, () => resolve(undefined)));
    return { gone, named: (text: string) => text.replaceAll(/c\d{4}p\d/g, nameOf(number, own)) };
  };
  const trouble = proxy.trouble(number, [...(cell.first ?? []), { site: cell.site, fault }], (killed) =>
    deaths.get(killed)?.(),
  );

  /** Makes a function at its first invocation. An invocation that dies or throws resolves to undefined. */
  const functionOf = <N extends Name>(name: N) => {
    const make = () => {
      const { gone, named } = alive();
      Object.assign(process.env, {
        CAUCE_STAGE: named(stageName(number)),
        CAUCE_DELIVERY: delivery,
        CAUCE_TOPIC_ARN: named(stack.topicArn),
        CAUCE_QUEUE_URL_BASE: `${proxy.url}/000000000000/`,
        CAUCE_PUBLIC: "true",
      });
      const handler = makers[name](app) as ReturnType<(typeof makers)[N]>;
      return { gone, named, handler };
    };
    let current: ReturnType<typeof make> | undefined;
    return async <Result>(invoke: (made: ReturnType<typeof make>) => Promise<Result>): Promise<Result | undefined> => {
      current ??= make();
      const { gone } = current;
      const died = gone.then(() => {
        current = undefined;
      });
      const answer = invoke(current).catch((error) => {
        said.push(`${new Date().toISOString()} ${name}: ${error}`);
      });
      return (await Promise.race([answer, died])) ?? undefined;
    };
  };
  const [request, processing, sweep] = [functionOf("request"), functionOf("processing"), functionOf("sweep")];

  const client = async (): Promise<void> => {
    while (!over) {
      const answer = await request(({ handler }) =>
        handler({
          ...{ rawPath: "/faults", rawQueryString: "", isBase64Encoded: false },
          headers: { "content-type": "application/json", "idempotency-key": "one" },
          body: JSON.stringify(cell.data ?? {}),
          requestContext: { domainName: "api.example", requestId: "gateway-1", http: { method: "POST" } },
        }),
      );
      if (answer !== undefined) said.push(`${new Date().toISOString()} placed: ${answer.statusCode}`);
      if (answer?.statusCode === 202 || answer?.statusCode === 200) return;
      if (cell.clientDies && trouble.begun > 0) return;
      await sleep(200);
    }
  };

  let invocations = 0;
  const eventSource = async (status: string): Promise<void> => {
    while (!over) {
      const { gone, named } = alive();
      let lives = true;
      void gone.then(() => {
        lives = false;
      });
      const source = createEventSource({
        queueUrl: named(stack.queueUrl(status) as string),
        visibilitySeconds,
        waitSeconds: 3,
      });
      while (!over && lives) {
        try {
          const event = await source.receive();
          if (event.Records.length === 0) continue;
          const remaining = cell.shortOfTime && invocations++ === 0 ? 500 : 60_000;
          const answer = await processing(({ handler, named }) => {
            const Records = event.Records.map((each) => ({ ...each, eventSourceARN: named(each.eventSourceARN) }));
            return handler({ Records } satisfies SqsEvent, invocation(remaining));
          });
          if (answer !== undefined) await source.settle(event, answer);
        } catch (error) {
          said.push(`${new Date().toISOString()} event source: ${error}`);
        }
      }
      source.close();
    }
  };

  let sweeping: Promise<unknown> | undefined;
  const onOverdue = () => {
    sweeping ??= sweep(({ handler }) => handler({}, invocation())).finally(() => {
      sweeping = undefined;
    });
  };
  const running = [client(), ...handled.map(eventSource)];
  try {
    await untilEnded(stage, { cell, trouble, onOverdue, said });
  } finally {
    over = true;
    await Promise.all([...running, sweeping]);
  }
}
