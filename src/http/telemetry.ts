import { checkQuery, noFields } from "../api/fields.ts";
import type { Clock } from "../core/clock.ts";
import { CauceError } from "../core/errors.ts";
import type { Engine } from "../engine/engine.ts";
import type { Intake } from "../engine/intake.ts";
import type { Events, Telemetry, TransitionEvent } from "../engine/telemetry/telemetry.ts";
import { createMetrics, type Metrics } from "./metrics.ts";
import { problem } from "./problem.ts";
import { eventsQuery, statsQuery } from "./requests.ts";
import { ok, ownRoute, type Route } from "./routes.ts";

// The thread that takes orders in writes every event once for each reader. 100 people may watch dashboards; more readers
// than that should share one connection.
const eventReadersMax = 100;

/** The routes that tell what happened: `/events` as it happens, `/stats` by the minute, `/metrics` in all. */
export function telemetryRoutes(
  engines: readonly Engine[],
  telemetry: Telemetry,
  clock: Clock,
  intake: Pick<Intake, "state">,
): Route[] {
  let metrics: Promise<Metrics> | undefined;
  let eventReaders = 0;
  return [
    ownRoute("/events", (request) => {
      const filter = checkQuery(eventsQuery, request.url);
      if (filter.workflow !== undefined && !engines.some(({ workflow }) => workflow.name === filter.workflow)) {
        throw new CauceError("workflow_not_found", `no workflow "${filter.workflow}" is served here`);
      }
      if (eventReaders >= eventReadersMax) {
        const detail = `${eventReaders} readers of events are connected, which is the most; close one, or read orders by their lists`;
        return problem("too_many_readers", detail);
      }
      const stream = eventStream({
        events: telemetry.events,
        filter,
        lastEventId: request.headers.get("last-event-id"),
        clock,
        onBegin: () => void eventReaders++,
        onEnd: () => void eventReaders--,
      });
      return new Response(stream, {
        headers: { "Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no" },
      });
    }),
    ownRoute("/stats", (request) => {
      const { minutes } = checkQuery(statsQuery, request.url);
      return ok(JSON.stringify({ minutes: statsOf(telemetry, minutes) }));
    }),
    ownRoute("/metrics", async (request) => {
      checkQuery(noFields, request.url);
      // The first scrape loads the metrics' library.
      metrics ??= createMetrics(engines, telemetry, intake);
      const { contentType, text } = await metrics;
      return new Response(await text(), { headers: { "Content-Type": contentType } });
    }),
  ];
}

/** Joins the minutes of all workflows. */
function statsOf({ meters }: Telemetry, minutes: number) {
  const byMinute = new Map<number, object[]>();
  for (const [workflow, meter] of meters) {
    for (const { at, ...minute } of meter.minutes(minutes)) {
      const rows = byMinute.get(at) ?? [];
      byMinute.set(at, rows);
      rows.push({ workflow, ...minute });
    }
  }
  return [...byMinute]
    .sort(([a], [b]) => a - b)
    .slice(-minutes)
    .map(([at, workflows]) => ({ at: new Date(at).toISOString(), workflows }));
}

interface EventFilter {
  readonly workflow?: string | undefined;
  readonly status?: string | undefined;
  readonly order?: string | undefined;
}

interface EventStreamOptions {
  readonly events: Events;
  readonly filter: EventFilter;
  /** The `Last-Event-ID` that the reader sent. */
  readonly lastEventId: string | null;
  readonly clock: Clock;
  /** Called with the first read, so a stream that is never read does not count as a reader. */
  readonly onBegin: () => void;
  /** Called once after `onBegin`, when the reader has gone or the stream has ended. */
  readonly onEnd: () => void;
}

const eventsAtOnce = 512;
// Proxies close a connection that is silent for 60 s, some after 30 s.
const silenceMilliseconds = 15_000;
const reconnectMilliseconds = 2_000;

/**
 * Makes a stream of transitions as server-sent events. The reader pulls: while a reader does not read, nothing is written
 * or kept for it. When it reads again, it is told how many events it missed.
 */
function eventStream(options: EventStreamOptions): ReadableStream<Uint8Array> {
  const { events, filter, lastEventId, clock, onBegin, onEnd } = options;
  const encoder = new TextEncoder();
  events.open();
  let { number, gap } = startOf(events, lastEventId);
  let greeted = false;
  let forget: (() => void) | undefined;

  /** The text of the events until now. Empty: no event passed the filter. */
  const take = (): string => {
    let text = greeted ? "" : `retry: ${reconnectMilliseconds}\n\n`;
    greeted = true;
    if (gap) text += gapText(null);
    gap = false;
    for (let looked = 0; looked < eventsAtOnce * 8; looked += eventsAtOnce) {
      const { missed, events: found, upTo } = events.after(number, eventsAtOnce);
      if (missed > 0) text += gapText(missed);
      for (const event of found) if (fits(event, filter)) text += eventText(event, events.stream);
      number = upTo;
      if (text !== "" || found.length < eventsAtOnce) break;
    }
    return text;
  };

  /** Resolves to true at the next event, and to false after 15 s without one. */
  const next = (): Promise<boolean> =>
    new Promise((resolve) => {
      const end = (happened: boolean) => {
        forget?.();
        forget = undefined;
        resolve(happened);
      };
      const forgetEvent = events.onNext(() => end(true));
      const forgetTime = clock.after(silenceMilliseconds, () => end(false));
      forget = () => {
        forgetEvent();
        forgetTime();
      };
    });

  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (!greeted) onBegin();
        for (;;) {
          const text = take();
          if (text !== "") {
            controller.enqueue(encoder.encode(text));
            return;
          }
          if (events.ended) {
            controller.close();
            onEnd();
            return;
          }
          if (number >= events.last && !(await next())) {
            controller.enqueue(encoder.encode(": still here\n\n"));
            return;
          }
        }
      },
      cancel() {
        forget?.();
        if (greeted) onEnd();
      },
    },
    { highWaterMark: 0 },
  );
}

/** Finds where to begin. An id of another stream comes from before a restart, so the number of missed events is unknown. */
function startOf(events: Events, lastEventId: string | null): { number: number; gap: boolean } {
  if (lastEventId === null || lastEventId === "") return { number: events.last, gap: false };
  const [, stream, digits] = /^([\da-z]+)-(\d{1,15})$/.exec(lastEventId) ?? [];
  const number = Number(digits);
  if (stream !== events.stream || !(number <= events.last)) return { number: 0, gap: true };
  return { number, gap: false };
}

function fits(event: TransitionEvent, { workflow, status, order }: EventFilter): boolean {
  return (
    (workflow === undefined || event.workflow === workflow) &&
    (status === undefined || event.status === status) &&
    (order === undefined || event.orderId === order)
  );
}

/** Tells the reader that `missed` events are gone from memory. Null: their number is unknown. */
function gapText(missed: number | null): string {
  return `event: gap\ndata: {"missed":${missed}}\n\n`;
}

function eventText({ number, workflow, orderId, status, from, visit, version, at }: TransitionEvent, stream: string) {
  const data = { workflow, order: orderId, status, from, visit, version, at: new Date(at).toISOString() };
  return `event: transition\nid: ${stream}-${number}\ndata: ${JSON.stringify(data)}\n\n`;
}
