import { createHash, randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { DeleteMessageBatchCommand, type Message, ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { type Clock, systemClock } from "../../../src/core/clock.ts";

/** A delay or visibility that the product asked of a queue. */
export interface Asked {
  readonly action: "SendMessageBatch" | "ChangeMessageVisibilityBatch";
  readonly queue: string;
  /** `DelaySeconds` or `VisibilityTimeout`. */
  readonly seconds: number;
}

export interface DisorderProxy {
  readonly url: string;
  readonly asked: readonly Asked[];
  /** How often a receive gave a message again that was in flight or deleted. */
  readonly copies: number;
  /** The largest number of messages of one group that one receive gave. */
  readonly togetherMax: number;
  /** Takes over all messages that the topic has brought by now, so that the next receive chooses among all of them. */
  gather(queueUrl: string): Promise<void>;
  stop(): Promise<void>;
}

export interface DisorderOptions {
  readonly upstream: string;
  /** Gives numbers in [0, 1), which decide on the order and the copies. */
  readonly random: () => number;
  /** Measures visibilities and delays. Default: the machine's clock. */
  readonly clock?: Clock;
}

interface Held {
  readonly id: string;
  readonly body: string;
  readonly group: string | null;
  readonly until: number;
  receives: number;
  receipt: string | null;
  receivedAt: number;
  visibleAt: number;
  copied: boolean;
}

interface Line {
  readonly name: string;
  readonly fifo: boolean;
  held: Held[];
  listening: Promise<void> | undefined;
  readonly waiting: Set<() => void>;
}

const visibilitySecondsMax = 43_200;
const retentionSeconds = 1_209_600;
/** The share of a standard queue's messages that come again, within `copyLateMilliseconds`. */
const copyShare = 0.3;
const copyLateMilliseconds = 1_000;

/**
 * Stands before the emulator's queues and does what SQS may do and the emulator does not. A standard queue gives
 * messages in any order, and some again although they are deleted. A FIFO queue gives several messages of one group at
 * once, and none of a group of which any is in flight. As in SQS, a message is invisible for at most 12 hours from its
 * receive, is kept for 14 days, and a FIFO queue refuses an expired receipt. All other calls pass unchanged.
 */
export async function startDisorderProxy(options: DisorderOptions): Promise<DisorderProxy> {
  const { upstream, random, clock = systemClock() } = options;
  const lines = new Map<string, Line>();
  const asked: Asked[] = [];
  const sqs = new SQSClient({ endpoint: upstream, region: "us-east-1" });
  const timers = new Set<() => void>();
  let copies = 0;
  let togetherMax = 0;
  let stopped = false;

  const lineOf = (url: string): Line => {
    const name = url.split("/").at(-1) as string;
    const known = lines.get(name);
    if (known !== undefined) return known;
    const line: Line = {
      ...{ name, fifo: name.endsWith(".fifo"), held: [], listening: undefined },
      waiting: new Set(),
    };
    lines.set(name, line);
    return line;
  };

  const wake = (line: Line): void => {
    for (const resolve of [...line.waiting]) resolve();
  };
  const wakeAt = (line: Line, at: number): void => {
    const cancel = clock.at(at, () => {
      timers.delete(cancel);
      wake(line);
    });
    timers.add(cancel);
  };

  const add = (line: Line, body: string, group: string | null, delaySeconds: number): string => {
    const now = clock.now();
    const id = randomUUID();
    const visibleAt = now + delaySeconds * 1_000;
    line.held.push({
      ...{ id, body, group, until: now + retentionSeconds * 1_000 },
      ...{ receives: 0, receipt: null, receivedAt: 0, visibleAt, copied: false },
    });
    if (delaySeconds > 0) wakeAt(line, visibleAt);
    return id;
  };

  /** Moves the messages that the topic has brought from the emulator's queue to this one, in their order. */
  const pull = async (line: Line, WaitTimeSeconds: number): Promise<number> => {
    const QueueUrl = `${upstream}/000000000000/${line.name}`;
    const { Messages = [] } = await sqs.send(
      new ReceiveMessageCommand({
        ...{ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds, VisibilityTimeout: 600 },
        MessageSystemAttributeNames: ["MessageGroupId"],
      }),
    );
    if (Messages.length === 0) return 0;
    for (const { Body = "", Attributes } of Messages) add(line, Body, Attributes?.MessageGroupId ?? null, 0);
    // The emulator gives the next message of a group only after the delete.
    const Entries = Messages.map(({ ReceiptHandle }, n) => ({ Id: String(n), ReceiptHandle }));
    await sqs.send(new DeleteMessageBatchCommand({ QueueUrl, Entries }));
    wake(line);
    return Messages.length;
  };
  const listen = (line: Line): void => {
    line.listening ??= pull(line, 1)
      .then(
        () => {},
        () => {},
      )
      .finally(() => {
        line.listening = undefined;
        if (line.waiting.size > 0 && !stopped) listen(line);
      });
  };

  const choose = (line: Line, max: number): Held[] => {
    const now = clock.now();
    line.held = line.held.filter(({ until }) => until > now);
    if (!line.fifo) return shuffled(line.held.filter(({ visibleAt }) => visibleAt <= now)).slice(0, max);
    const blocked = new Set(line.held.filter(({ visibleAt }) => visibleAt > now).map(({ group }) => group));
    const free = line.held.filter(({ group }) => !blocked.has(group));
    const groups = new Map<string | null, Held[]>();
    for (const each of free) groups.set(each.group, [...(groups.get(each.group) ?? []), each]);
    const chosen = [...groups.values()].flat().slice(0, max);
    for (const all of groups.values()) {
      togetherMax = Math.max(togetherMax, all.filter((each) => chosen.includes(each)).length);
    }
    return chosen;
  };

  const shuffled = <T>(all: T[]): T[] => {
    for (let n = all.length - 1; n > 0; n--) {
      const other = Math.floor(random() * (n + 1));
      [all[n], all[other]] = [all[other] as T, all[n] as T];
    }
    return all;
  };

  const take = (line: Line, max: number, visibilitySeconds: number): Message[] =>
    choose(line, max).map((held) => {
      const now = clock.now();
      if (held.copied) copies++;
      if (!line.fifo && !held.copied && random() < copyShare) {
        const visibleAt = now + Math.floor(random() * copyLateMilliseconds);
        line.held.push({ ...held, visibleAt, copied: true });
        wakeAt(line, visibleAt);
      }
      held.receives++;
      held.receipt = randomUUID();
      held.receivedAt = now;
      held.visibleAt = now + visibilitySeconds * 1_000;
      wakeAt(line, held.visibleAt);
      const Attributes = { ApproximateReceiveCount: String(held.receives) };
      return {
        ...{ MessageId: held.id, ReceiptHandle: held.receipt, Body: held.body, MD5OfBody: md5(held.body) },
        Attributes: held.group === null ? Attributes : { ...Attributes, MessageGroupId: held.group },
      };
    });

  const receive = async (line: Line, body: Fields): Promise<Message[]> => {
    const until = performance.now() + (body.WaitTimeSeconds ?? 0) * 1_000;
    if (body.WaitTimeSeconds === 0) await pull(line, 0);
    for (;;) {
      const taken = take(line, body.MaxNumberOfMessages ?? 1, body.VisibilityTimeout ?? 30);
      const left = until - performance.now();
      if (taken.length > 0 || left <= 0 || stopped) return taken;
      await new Promise<void>((resolve) => {
        const end = () => {
          clearTimeout(timer);
          line.waiting.delete(end);
          resolve();
        };
        const timer = setTimeout(end, left);
        line.waiting.add(end);
        listen(line);
      });
    }
  };

  const byReceipt = (line: Line, receipt: string | undefined): Held | undefined =>
    line.held.find((held) => held.receipt === receipt);

  /** Deletes a message. Returns undefined, or SQS's refusal. */
  const remove = (line: Line, receipt: string | undefined): string | undefined => {
    const held = byReceipt(line, receipt);
    if (held === undefined) return undefined;
    if (line.fifo && held.visibleAt <= clock.now()) return "The receipt handle has expired";
    line.held = line.held.filter((each) => each !== held);
    wake(line);
    return undefined;
  };

  const hide = (line: Line, receipt: string | undefined, seconds: number): string | undefined => {
    const held = byReceipt(line, receipt);
    const now = clock.now();
    if (held === undefined || held.visibleAt <= now) return "The message is not available for a change of visibility";
    if (now + seconds * 1_000 > held.receivedAt + visibilitySecondsMax * 1_000) {
      return `Total VisibilityTimeout for the message is beyond the limit [${visibilitySecondsMax} seconds]`;
    }
    held.visibleAt = now + seconds * 1_000;
    if (seconds === 0) wake(line);
    else wakeAt(line, held.visibleAt);
    return undefined;
  };

  const batch = (entries: readonly Fields[] = [], one: (entry: Fields) => string | undefined) => {
    const outcomes = entries.map((entry) => ({ Id: entry.Id as string, Message: one(entry) }));
    return {
      Successful: outcomes.filter(({ Message }) => Message === undefined).map(({ Id }) => ({ Id })),
      Failed: outcomes
        .filter(({ Message }) => Message !== undefined)
        .map((outcome) => ({ ...outcome, Code: "InvalidParameterValue", SenderFault: true })),
    };
  };

  /** Answers a call, or returns undefined for a call that goes to the emulator. */
  const answerOf = async (action: string, body: Fields): Promise<object | undefined> => {
    const line = lineOf(body.QueueUrl ?? "");
    const note = (what: Asked["action"], seconds: number) => asked.push({ action: what, queue: line.name, seconds });
    switch (action) {
      case "ReceiveMessage":
        return { Messages: await receive(line, body) };
      case "DeleteMessage":
        remove(line, body.ReceiptHandle);
        return {};
      case "DeleteMessageBatch":
        return batch(body.Entries, ({ ReceiptHandle }) => remove(line, ReceiptHandle));
      case "ChangeMessageVisibilityBatch":
        return batch(body.Entries, ({ ReceiptHandle, VisibilityTimeout = 0 }) => {
          note(action, VisibilityTimeout);
          return hide(line, ReceiptHandle, VisibilityTimeout);
        });
      case "SendMessageBatch": {
        for (const { DelaySeconds = 0 } of body.Entries ?? []) note(action, DelaySeconds);
        // The emulator itself drops duplicates in FIFO.
        if (line.fifo) return undefined;
        const Successful = (body.Entries ?? []).map(({ Id, MessageBody = "", DelaySeconds = 0 }) => ({
          ...{ Id, MessageId: add(line, MessageBody, null, DelaySeconds), MD5OfMessageBody: md5(MessageBody) },
        }));
        wake(line);
        return { Successful, Failed: [] };
      }
      default:
        return undefined;
    }
  };

  const serve = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const action = String(incoming.headers["x-amz-target"] ?? "").split(".")[1];
    const answer = action === undefined ? undefined : await answerOf(action, JSON.parse(body.toString()) as Fields);
    if (answer !== undefined) {
      outgoing.writeHead(200, { "content-type": "application/x-amz-json-1.0" });
      outgoing.end(JSON.stringify(answer));
      return;
    }
    const { method, headers } = incoming;
    const passed = request(new URL(incoming.url ?? "/", upstream), { method, headers }, (answered) => {
      outgoing.writeHead(answered.statusCode ?? 502, answered.headers);
      answered.pipe(outgoing);
    });
    passed.on("error", () => outgoing.destroy());
    passed.end(body);
  };

  const server = createServer((incoming, outgoing) => {
    serve(incoming, outgoing).catch(() => outgoing.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    get copies() {
      return copies;
    },
    get togetherMax() {
      return togetherMax;
    },
    async gather(queueUrl) {
      while ((await pull(lineOf(queueUrl), 0)) > 0);
    },
    async stop() {
      stopped = true;
      for (const cancel of timers) cancel();
      for (const line of lines.values()) wake(line);
      await Promise.all([...lines.values()].map((line) => line.listening));
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      sqs.destroy();
    },
  };
}

/** The fields of the calls that the proxy answers. */
interface Fields {
  readonly QueueUrl?: string;
  readonly MaxNumberOfMessages?: number;
  readonly WaitTimeSeconds?: number;
  readonly ReceiptHandle?: string;
  readonly VisibilityTimeout?: number;
  readonly Entries?: readonly Fields[];
  readonly Id?: string;
  readonly MessageBody?: string;
  readonly DelaySeconds?: number;
}

function md5(text: string): string {
  return createHash("md5").update(text).digest("hex");
}

/** A handler's run on an order of a customer, whose orders are a group and numbered in the order of placing. */
export interface Run {
  readonly status: string;
  readonly customer: string;
  readonly number: number;
}

/** Gives the numbers of a customer's runs in a status, in their order, without the repeats of failed attempts. */
export function numbersInTurn(runs: readonly Run[], status: string, customer: string): number[] {
  const numbers = runs.filter((run) => run.status === status && run.customer === customer).map(({ number }) => number);
  return numbers.filter((number, at) => number !== numbers[at - 1]);
}

/** Makes a random generator in [0, 1) that repeats its numbers for the same seed. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
