import type { Depth, FailureGroup } from "../backend/backend.ts";
import { CauceError } from "../core/errors.ts";
import type { Engine } from "../engine/engine.ts";
import { createOrderJson } from "../engine/present.ts";
import type { Access } from "./auth.ts";
import { answersOf } from "./batch.ts";
import { type BodyReader, checkEncoding, type ReadBody } from "./body.ts";
import {
  checkBody,
  checkQuery,
  idempotencyKeyPattern,
  listQuery,
  noBody,
  noQuery,
  requestIdPattern,
  retryManyBody,
  transitionBody,
} from "./contract.ts";
import { problem, refusalProblem } from "./problem.ts";

/** What the server underneath may offer for a request. */
export interface ServerHelp {
  /** A shorter way to the body. */
  readonly readBody?: ReadBody;
  /** Takes the time limit from a body that may be as long as it likes; one that stands still is cut off all the same. */
  readonly takeTime?: () => void;
}

/** One route: who may use it and what it answers. */
export interface Route {
  readonly method: "GET" | "POST" | "DELETE";
  /** Below the base path; `:id` is the only parameter. */
  readonly path: string;
  /** The role that a key needs; undefined for a route that needs no key. */
  readonly access: Access | undefined;
  answer(request: Request, id: string, help: ServerHelp): Promise<Response> | Response;
}

export interface RouteOptions {
  readonly basePath: string;
  readonly body: BodyReader;
  readonly bodyBytesMax: number;
  /** Told of each order that was stored. */
  readonly onStored: () => void;
  /** Told of an error that is the server's fault and was answered in a line. */
  readonly onError: (error: unknown, request: Request) => void;
}

/** The routes of one workflow. Fixed words come before `:id`, which would take them too. */
export function workflowRoutes(
  engine: Engine,
  { basePath, body, bodyBytesMax, onStored, onError }: RouteOptions,
): Route[] {
  const { name } = engine.workflow;
  const orderJson = createOrderJson(name);
  const location = `${basePath}/${name}/`;
  const orderNotFound = (id: string) =>
    problem("order_not_found", `no order of "${name}" has the id "${id}"; check the id`);

  return [
    {
      method: "POST",
      path: `/${name}`,
      access: "intake",
      async answer(request, _id, { readBody }) {
        const options = placeOptionsOf(request.headers);
        const data = await body.required(request, readBody, "invalid_data");
        const result = await engine.place(data, options);
        if ("refused" in result) return refusalProblem(result);
        onStored();
        const { order } = result;
        return new Response(orderJson(order), {
          status: result.placed ? 202 : 200,
          headers: { "Content-Type": "application/json", Location: location + order.id },
        });
      },
    },
    {
      method: "POST",
      path: `/${name}/batch`,
      access: "intake",
      answer(request, _id, { takeTime }) {
        checkLinesType(request.headers);
        const requestId = requestIdOf(request.headers);
        const headers = { "Content-Type": linesType };
        if (request.body === null) return new Response("", { headers });
        takeTime?.();
        const answers = answersOf(request.body, {
          engine,
          bytesMax: bodyBytesMax,
          requestId,
          onStored,
          onError: (error) => onError(error, request),
        });
        return new Response(ReadableStream.from(answers), { headers });
      },
    },
    {
      method: "GET",
      path: `/${name}`,
      access: "read",
      async answer(request) {
        const { items, nextCursor } = await engine.list(checkQuery(listQuery, request.url));
        const orders = items.map((order) => orderJson(order));
        return ok(`{"items":[${orders.join(",")}],"nextCursor":${JSON.stringify(nextCursor)}}`);
      },
    },
    {
      method: "GET",
      path: `/${name}/failures`,
      access: "read",
      async answer(request) {
        checkQuery(noQuery, request.url);
        return ok(JSON.stringify({ items: (await engine.failures()).map(failureOf) }));
      },
    },
    {
      method: "POST",
      path: `/${name}/retry`,
      access: "operate",
      async answer(request, _id, { readBody }) {
        const filter = checkBody(retryManyBody, await body.optional(request, readBody, "invalid_request"));
        const { retried, nextCursor } = await engine.retryMany(filter, { requestId: requestIdOf(request.headers) });
        return ok(JSON.stringify({ retried, nextCursor }));
      },
    },
    ...(["pause", "resume"] as const).map(
      (action): Route => ({
        method: "POST",
        path: `/${name}/queues/:id/${action}`,
        access: "operate",
        async answer(request, status, { readBody }) {
          checkBody(noBody, await body.optional(request, readBody, "invalid_request"));
          const result = await engine.setPaused(status, action === "pause");
          return "refused" in result ? refusalProblem(result) : ok(JSON.stringify(queueOf(result)));
        },
      }),
    ),
    {
      method: "GET",
      path: `/${name}/:id`,
      access: "read",
      async answer(request, id) {
        checkQuery(noQuery, request.url);
        const order = await engine.get(id);
        return order === undefined ? orderNotFound(id) : ok(orderJson(order));
      },
    },
    {
      method: "GET",
      path: `/${name}/:id/stored`,
      access: "operate",
      async answer(request, id) {
        checkQuery(noQuery, request.url);
        const order = await engine.get(id);
        if (order === undefined) return orderNotFound(id);
        return ok(JSON.stringify({ id, version: order.version, ...engine.where(id) }));
      },
    },
    {
      method: "DELETE",
      path: `/${name}/:id`,
      access: "operate",
      async answer(request, id) {
        checkQuery(noQuery, request.url);
        const refused = await engine.remove(id, { requestId: requestIdOf(request.headers) });
        if (refused === undefined) return new Response(null, { status: 204 });
        return refused.refused === "order_not_found" ? orderNotFound(id) : refusalProblem(refused);
      },
    },
    {
      method: "POST",
      path: `/${name}/:id/transitions`,
      access: "operate",
      async answer(request, id, { readBody }) {
        const options = placeOptionsOf(request.headers);
        const wanted = checkBody(transitionBody, await body.required(request, readBody, "invalid_request"));
        const result = await engine.transition(id, wanted, options);
        if ("refused" in result)
          return result.refused === "order_not_found" ? orderNotFound(id) : refusalProblem(result);
        return ok(orderJson(result.order));
      },
    },
    {
      method: "POST",
      path: `/${name}/:id/retry`,
      access: "operate",
      async answer(request, id, { readBody }) {
        checkBody(noBody, await body.optional(request, readBody, "invalid_request"));
        const result = await engine.retry(id, { requestId: requestIdOf(request.headers) });
        if ("refused" in result)
          return result.refused === "order_not_found" ? orderNotFound(id) : refusalProblem(result);
        return ok(orderJson(result.order));
      },
    },
  ];
}

/** The routes of the server itself. */
export function serverRoutes(engines: readonly Engine[], ready: () => boolean | Promise<boolean>): Route[] {
  return [
    {
      method: "GET",
      path: "/queues",
      access: "read",
      async answer(request) {
        checkQuery(noQuery, request.url);
        const workflows = await Promise.all(
          engines.map(async (engine) => ({
            workflow: engine.workflow.name,
            queues: (await engine.queues()).map(queueOf),
          })),
        );
        return ok(JSON.stringify({ workflows }));
      },
    },
    { method: "GET", path: "/healthz", access: undefined, answer: () => ok('{"status":"ok"}') },
    {
      method: "GET",
      path: "/readyz",
      access: undefined,
      answer: async () => ((await ready()) ? ok('{"status":"ok"}') : ok('{"status":"unavailable"}', 503)),
    },
  ];
}

const linesType = "application/x-ndjson";

function checkLinesType(headers: Headers): void {
  checkEncoding(headers);
  const essence = headers.get("content-type")?.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  if (["", linesType, "application/ndjson", "application/jsonl"].includes(essence)) return;
  throw new CauceError("unsupported_media_type", `a batch is lines of JSON; send it with Content-Type: ${linesType}`);
}

export function ok(json: string, status = 200): Response {
  return new Response(json, { status, headers: { "Content-Type": "application/json" } });
}

/** What the headers say of a request, or undefined when they say nothing. */
function placeOptionsOf(headers: Headers): { idempotencyKey?: string; requestId: string | null } | undefined {
  const idempotencyKey = headers.get("idempotency-key");
  const requestId = requestIdOf(headers);
  if (idempotencyKey === null) return requestId === null ? undefined : { requestId };
  if (!idempotencyKeyPattern.test(idempotencyKey)) {
    throw new CauceError("invalid_request", "the header Idempotency-Key must be 1 to 255 visible ASCII characters");
  }
  return { idempotencyKey, requestId };
}

/** The caller's request id; one that does not fit is left out of account. */
export function requestIdOf(headers: Headers): string | null {
  const requestId = headers.get("x-request-id");
  return requestId !== null && requestIdPattern.test(requestId) ? requestId : null;
}

const iso = (milliseconds: number) => new Date(milliseconds).toISOString();

function failureOf({ status, fingerprint, message, count, firstAt, lastAt }: FailureGroup) {
  return { status, fingerprint, message, count, firstAt: iso(firstAt), lastAt: iso(lastAt) };
}

function queueOf({ status, kind, waiting, inFlight, delayed, failed, oldestWaitingAt, paused, atLeast }: Depth) {
  const oldest = oldestWaitingAt === null ? null : iso(oldestWaitingAt);
  return { status, kind, waiting, inFlight, delayed, failed, oldestWaitingAt: oldest, paused, atLeast };
}
