import { checkQuery, noFields } from "../api/fields.ts";
import type { Clock } from "../core/clock.ts";
import { CauceError } from "../core/errors.ts";
import type { Engine } from "../engine/engine.ts";
import type { Observation } from "../engine/observation.ts";
import { eventsQuery, statsQuery } from "./contract.ts";
import { eventStream } from "./eventStream.ts";
import { createMetrics, type Metrics } from "./metrics.ts";
import { problem } from "./problem.ts";
import { ok, type Route } from "./routes.ts";

// Every event is made into text once for each reader, on the thread that takes orders in. More than this many are not
// people with dashboards, and something that shares one reader should stand between.
const eventReadersMax = 100;

/** What happens, as it happens, by the minute and in all. */
export function observedRoutes(engines: readonly Engine[], observation: Observation, clock: Clock): Route[] {
  let metrics: Promise<Metrics> | undefined;
  let eventReaders = 0;
  return [
    {
      method: "GET",
      path: "/events",
      access: "read",
      answer(request) {
        const filter = checkQuery(eventsQuery, request.url);
        if (filter.workflow !== undefined && !engines.some(({ workflow }) => workflow.name === filter.workflow)) {
          throw new CauceError("workflow_not_found", `no workflow "${filter.workflow}" is served here`);
        }
        if (eventReaders >= eventReadersMax) {
          const detail = `${eventReaders} readers of events are connected, which is the most; close one, or read orders by their lists`;
          return problem("too_many_readers", detail);
        }
        const stream = eventStream({
          events: observation.events,
          filter,
          lastEventId: request.headers.get("last-event-id"),
          clock,
          onBegin: () => void eventReaders++,
          onEnd: () => void eventReaders--,
        });
        return new Response(stream, {
          headers: { "Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no" },
        });
      },
    },
    {
      method: "GET",
      path: "/stats",
      access: "read",
      answer(request) {
        const { minutes } = checkQuery(statsQuery, request.url);
        return ok(JSON.stringify({ minutes: statsOf(observation, minutes) }));
      },
    },
    {
      method: "GET",
      path: "/metrics",
      access: "read",
      async answer(request) {
        checkQuery(noFields, request.url);
        // Loaded with the first scrape.
        metrics ??= createMetrics(engines, observation);
        const { contentType, text } = await metrics;
        return new Response(await text(), { headers: { "Content-Type": contentType } });
      },
    },
  ];
}

/** The minutes of all workflows, side by side. */
function statsOf({ meters }: Observation, minutes: number) {
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
