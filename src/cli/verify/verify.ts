import { CauceError } from "../../core/errors.ts";
import type { AnyWorkflow } from "../../core/workflow.ts";
import { type Client, ClientError } from "../../http/client/index.ts";
import { jsonLine, plain } from "../orders/format.ts";
import { parseJson } from "../orders/json.ts";
import { onlyWorkflow, type RemoteFlags, type Server, serverOf } from "../orders/remote.ts";
import { type Output, oneLine } from "../report.ts";
import { type Followed, follow } from "./follow.ts";
import {
  type Missing,
  type ProofName,
  type Proofs,
  placingProofs,
  processingMissing,
  proofNames,
  requestMissing,
  stepsOf,
} from "./proofs.ts";

export interface VerifyFlags extends RemoteFlags {
  readonly data?: string;
  readonly to?: string;
  readonly timeout: string;
  readonly json?: boolean;
}

const timeoutSecondsMost = 86_400;

interface Verified {
  readonly proofs: Proofs;
  readonly missing: Missing;
  readonly followed?: Followed;
}

/** `cauce verify`. Throws `proof_missing`, with what is missing and why, once everything that was found is written. */
export async function verify(flags: VerifyFlags, output: Output): Promise<void> {
  const timeoutSeconds = secondsOf(flags.timeout);
  const given = flags.data === undefined ? undefined : parseJson(flags.data, "--data", "setting_invalid");
  const server = serverOf(flags);
  const workflow = server.workflow ?? (await onlyWorkflow(server));
  const data = given ?? (await sampleOf(server, workflow));
  const onStatus = (status: string) => {
    // A program that reads the error wants it alone.
    if (flags.json !== true) output.err(`… ${plain(status)}\n`);
  };
  const verified = await gather(server.client(workflow), data, { to: flags.to, timeoutSeconds, onStatus });
  const { proofs, missing, followed } = verified;
  const status = followed?.order.status ?? null;
  output.out(
    flags.json
      ? jsonLine({ url: server.url, workflow, status, end: followed?.end ?? null, proofs, missing })
      : textOf(workflow, verified),
  );
  const lacking = proofNames.flatMap((name) => (missing[name] === undefined ? [] : `${name}: ${missing[name]}`));
  if (lacking.length > 0) throw new CauceError("proof_missing", lacking.join("; "));
}

/** Places the order and follows it, and says of each proof what it is or why it is missing. */
async function gather(
  client: Client<AnyWorkflow>,
  data: unknown,
  options: Parameters<typeof follow>[3],
): Promise<Verified> {
  const missing: { [Name in ProofName]?: string | undefined } = {};
  /** What a server refuses is a proof that is missing. */
  const asking = async <T>(name: ProofName, ask: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof ClientError)) throw error;
      missing[name] = `${error.code}: ${error.message}`;
      return undefined;
    }
  };
  // An order that may not be followed is not placed.
  const rows = await asking("answer", () => client.queues());
  const placing = rows && (await asking("answer", () => client.place(data)));
  if (rows === undefined || placing === undefined) return { proofs: {}, missing };
  const first = placingProofs(placing.order, placing.placed);
  missing.request = first.request === undefined ? "the answer has no history" : requestMissing(first.request);

  const kinds = new Map(rows.map(({ status, kind }) => [status, kind]));
  const followed = await asking("processing", () => follow(client, placing.order, kinds, options));
  const stored = await asking("stored", () => client.stored(placing.order.id));
  const steps = stepsOf(followed?.order ?? placing.order);
  if (followed !== undefined) missing.processing = processingMissing(steps, kinds, stored?.store, followed);
  return {
    proofs: {
      ...first,
      ...(stored === undefined ? {} : { stored }),
      ...(steps.length === 0 ? {} : { processing: steps }),
    },
    missing,
    ...(followed === undefined ? {} : { followed }),
  };
}

/** The data that the server's own description shows as an example. */
async function sampleOf(server: Server, workflow: string): Promise<unknown> {
  const { paths } = (await server.document()) as { paths?: Readonly<Record<string, Operations>> };
  const operation = Object.values(paths ?? {})
    .map(({ post }) => post)
    .find((each) => each?.operationId === `${workflow}.place`);
  const sample = operation?.requestBody?.content?.["application/json"]?.example;
  if (sample !== undefined) return sample;
  throw new CauceError(
    "setting_invalid",
    operation === undefined
      ? `${server.url} serves no workflow "${workflow}"; check --workflow`
      : `the description of "${workflow}" has no example of an order's data; give some with --data JSON`,
  );
}

interface Operations {
  readonly post?: {
    readonly operationId?: string;
    readonly requestBody?: { readonly content?: Readonly<Record<string, { readonly example?: unknown }>> };
  };
}

function secondsOf(text: string): number {
  if (/^[1-9]\d{0,4}$/.test(text) && Number(text) <= timeoutSecondsMost) return Number(text);
  throw new CauceError(
    "setting_invalid",
    `--timeout must be whole seconds from 1 to ${timeoutSecondsMost}, not "${text}"`,
  );
}

function textOf(workflow: string, { proofs, missing, followed }: Verified): string {
  const { answer, request, stored, processing = [] } = proofs;
  const found: Readonly<Record<ProofName, readonly string[]>> = {
    answer:
      answer === undefined ? [] : [`${answer.status}, order ${answer.orderId}${named("request", answer.requestId)}`],
    request: request === undefined ? [] : [`${request.runtime} ${request.name}${named("request", request.requestId)}`],
    stored:
      stored === undefined
        ? []
        : [
            `${[stored.store, stored.file, stored.table].filter((part) => part !== null).join(" ")}, ` +
              `key ${JSON.stringify(stored.key)}, version ${stored.version}`,
          ],
    processing: processing.map(
      ({ from, to, runtime, name, requestId, messageId, reason }) =>
        `${from} → ${to}: ${runtime} ${name}${named("request", requestId)}${named("message", messageId)}${reason === null ? "" : `, ${oneLine(reason)}`}`,
    ),
  };
  const lines = proofNames.flatMap((name, index) => {
    const why = missing[name];
    const rows = why === undefined ? found[name] : [...found[name], `missing: ${why}`];
    return rows.map((row, at) => `${(at === 0 ? `${index + 1} ${name}` : "").padEnd(14)}${plain(row)}\n`);
  });
  return `${lines.join("")}${endOf(workflow, followed)}`;
}

const named = (what: string, id: string | null) => (id === null ? "" : `, ${what} ${id}`);

function endOf(workflow: string, followed: Followed | undefined): string {
  if (followed?.end === undefined) return "";
  const { order, end } = followed;
  const status = plain(order.status);
  if (end === "final") return `The order of ${workflow} ended in ${status}.\n`;
  if (end === "reached") return `The order of ${workflow} came where it was to come, and stands in ${status}.\n`;
  return `The order of ${workflow} waits in ${status} until the API moves it; --to STATUS follows it further.\n`;
}
