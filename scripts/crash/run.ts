import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { handlerLogVariable } from "./app.ts";
import { openClient } from "./client.ts";
import { askForOrders, readStore } from "./evidence.ts";
import { readRuns } from "./handlerLog.ts";
import { judge, type Verdict } from "./judge.ts";
import { createKeeper, type Keeper } from "./keeper.ts";
import { type Load, startLoad } from "./load.ts";
import { seededRandom } from "./random.ts";
import { crashApp, describeEnd, type ServerOptions } from "./server.ts";

export interface CrashOptions {
  readonly kills: number;
  readonly delivery: "standard" | "fifo";
  readonly seed: number;
  readonly progress: (line: string) => void;
  /** Rejects when the caller wants the run to end. */
  readonly interrupted: Promise<never>;
}

export interface CrashReport extends Verdict {
  readonly kills: number;
  /** Orders without a key whose connection broke. They may be stored or not, and no client got an answer. */
  readonly unanswered: number;
  readonly stored: number;
  /** The directory of the run, which is kept if something is wrong. */
  readonly directory: string;
}

const clients = 8;
const startingShare = 0.2;
const startMillisecondsMax = 700;
const lifeMillisecondsMax = 500;
const lastAcknowledgements = 50;
const stuckMilliseconds = 60_000;

/** Kills a server under load, again and again, and then looks for orders that are missing or there twice. */
export async function crash(options: CrashOptions): Promise<CrashReport> {
  const directory = mkdtempSync(join(tmpdir(), "cauce-crash-"));
  const keeper = createKeeper();
  let kept = true;
  // Registered before the race below, so that this handler runs first.
  options.interrupted.catch(() => {
    kept = false;
  });
  try {
    const report = await Promise.race([killAndJudge(directory, keeper, options), keeper.failed, options.interrupted]);
    kept = report.faults.length > 0;
    return report;
  } catch (error) {
    throw kept ? new Error(`${(error as Error).message}; the data is kept in ${directory}`, { cause: error }) : error;
  } finally {
    await keeper.close();
    if (!kept) rmSync(directory, { recursive: true, force: true });
  }
}

async function killAndJudge(directory: string, keeper: Keeper, options: CrashOptions): Promise<CrashReport> {
  const { kills, delivery, seed, progress } = options;
  const handlerLog = join(directory, "handlers.log");
  const data = join(directory, "data");
  mkdirSync(data);
  const server: ServerOptions = {
    app: crashApp,
    directory: data,
    delivery,
    env: { [handlerLogVariable]: handlerLog },
  };
  const load = startLoad({ address: keeper.address, seed, clients });
  const random = seededRandom(`${seed}:kills`);
  for (let kill = 1; kill <= kills; kill++) {
    keeper.start(server);
    const moment = await killMoment(random, load);
    await keeper.end("SIGKILL");
    progress(`kill ${kill} of ${kills}: ${moment}; ${load.acknowledgements.length} acknowledged`);
  }
  keeper.start(server);
  await load.more(lastAcknowledgements);
  await load.stop();
  progress("sending every acknowledged order with a key once more");
  await load.repeat();
  const { url } = await keeper.address();
  progress("waiting for every order to end");
  const unfinished = await finished(url);
  const { acknowledgements } = load;
  progress(`asking for what was acknowledged with ${acknowledgements.length} answers`);
  const answers = await askForOrders(url, acknowledgements);
  const end = await keeper.end("SIGTERM");
  const rows = readStore(data);
  const verdict = judge({ delivery, acknowledgements, answers, rows, runs: readRuns(handlerLog) });
  const faults = [...unfinished, ...load.faults, ...verdict.faults];
  if (end.code !== 0) faults.push(`the last server did not drain: ${describeEnd(end)}`);
  return { ...verdict, faults, kills, unanswered: load.unanswered(), stored: rows.length, directory };
}

/** Waits for a random moment: of five kills one comes while the server starts, the others once it has acknowledged. */
async function killMoment(random: () => number, load: Load): Promise<string> {
  const starting = random() < startingShare;
  const milliseconds = Math.round(random() * (starting ? startMillisecondsMax : lifeMillisecondsMax));
  if (!starting) await load.more(1);
  await delay(milliseconds);
  return `${milliseconds} ms after ${starting ? "its start" : "its first acknowledgement"}`;
}

/** Waits until the queues are empty, as long as they get shorter. */
export async function finished(url: string): Promise<string[]> {
  const client = openClient();
  try {
    let before = "";
    let seenAt = Date.now();
    for (;;) {
      const { status, body } = await client.get(`${url}/queues`);
      if (status !== 200) throw new Error(`GET /queues answered ${status}: ${body}`);
      const { queues } = (JSON.parse(body) as Queues).workflows[0] ?? { queues: [] };
      const open = queues.reduce((sum, row) => sum + row.waiting + row.inFlight + row.delayed + row.failed, 0);
      if (open === 0) return [];
      if (body !== before) seenAt = Date.now();
      else if (Date.now() - seenAt > stuckMilliseconds) return [`the queues do not become empty: ${body}`];
      before = body;
      await delay(20);
    }
  } finally {
    client.close();
  }
}

interface Queues {
  readonly workflows: readonly {
    readonly queues: readonly { waiting: number; inFlight: number; delayed: number; failed: number }[];
  }[];
}
