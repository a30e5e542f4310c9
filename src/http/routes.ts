import { type BoundOperation, type BoundWorkflow, isRefusal } from "../api/around.ts";
import { checkBody, checkQuery, idempotencyKeyPattern, noFields } from "../api/fields.ts";
import type { Operation } from "../api/operation.ts";
import { batchWire, pathFieldOf } from "../api/orders.ts";
import { CauceError } from "../core/errors.ts";
import type { Call, Who } from "../engine/engine.ts";
import type { RequiredRole } from "./auth.ts";
import { resultLines } from "./batch.ts";
import { type BodyReader, checkEncoding, type ServerBindings } from "./body.ts";
import { problem, refusalProblem } from "./problem.ts";
import { type OwnPath, ownRoutes, requestIdPattern } from "./requests.ts";

/** What a route knows of a request besides the request itself. */
interface RouteContext {
  /** The value of the path's parameter; empty where it has none. */
  readonly parameter: string;
  readonly server: ServerBindings;
  readonly who: Who;
}

/** One route: who may use it and what it answers. */
export interface Route {
  readonly method: "GET" | "POST" | "DELETE";
  /** Below the base path; it has one parameter, such as `:id`, or none. */
  readonly path: string;
  /** The role that a key needs; undefined for a route that needs no key. */
  readonly access: RequiredRole | undefined;
  handle(request: Request, context: RouteContext): Promise<Response> | Response;
}

interface RouteOptions {
  readonly basePath: string;
  readonly body: BodyReader;
  readonly bodyBytesMax: number;
  /** Called after each operation that succeeded and may have written. */
  readonly onDone: () => void;
  /** Called with each error of a batch's line that is the server's fault. */
  readonly onError: (error: unknown, request: Request) => void;
}

/** Makes the routes of one workflow: one for each operation, and the batch. */
export function workflowRoutes({ engine, operations }: BoundWorkflow, options: RouteOptions): Route[] {
  const { name } = engine.workflow;
  const own = [...operations.values()].filter(({ operation }) => operation.scope === undefined);
  const place = operations.get("place");
  const routes = own.map((bound) => operationRoute(bound, name, options));
  return place === undefined ? routes : [...routes, batchRoute(place, name, options)];
}

function operationRoute({ operation, run }: BoundOperation, workflow: string, options: RouteOptions): Route {
  const { method, path, role, keyed, shown } = operation;
  const field = pathFieldOf(operation);
  const read = inputReader(operation, options.body);
  const write = shown?.writer(workflow);
  const location = `${options.basePath}/${workflow}/`;
  const onlyStatus = Number(Object.keys(operation.answers)[0]);

  return {
    method,
    path: `/${workflow}${path.replace(/\{(\w+)\}/, ":$1")}`,
    access: role,
    async handle(request, { parameter, server, who }) {
      const call = callOf(request.headers, who, keyed === true);
      if (method !== "GET") refuseUnheard(request.headers, keyed === true, unheard);
      const input = await read(request, server);
      const result = await run(field === undefined ? input : { ...Object(input), [field]: parameter }, call);
      if (isRefusal(result)) return refusalProblem(result);
      if (method !== "GET") options.onDone();
      const status = operation.status?.(result) ?? onlyStatus;
      if (write === undefined) return new Response(null, { status });
      const located = operation.located?.(result);
      const headers = located === undefined ? json : { ...json, Location: location + located };
      return new Response(write(result), { status, headers });
    },
  };
}

const json = { "Content-Type": "application/json" };

/** What to do instead of sending a header that a route does not heed. */
interface Unheard {
  readonly idempotencyKey: string;
  readonly ifMatch: string;
}

const unheard: Unheard = {
  idempotencyKey: "send the request without it, since repeating it does nothing more",
  ifMatch: "send the request without it; a transition takes expectedVersion in its body",
};

/**
 * Throws `invalid_request` for a header by which a client wants safety that this route would not give: to pass over it
 * in silence would place an order twice, or move one that has changed.
 */
function refuseUnheard(headers: Headers, keyed: boolean, { idempotencyKey, ifMatch }: Unheard): void {
  if (!keyed && headers.has("idempotency-key")) {
    throw new CauceError("invalid_request", `this route takes no Idempotency-Key; ${idempotencyKey}`);
  }
  if (headers.has("if-match")) throw new CauceError("invalid_request", `this route takes no If-Match; ${ifMatch}`);
}

/** Makes the function that reads an operation's input from a request's query or body. */
function inputReader(
  { method, takes, input, bodyRequired }: Operation,
  body: BodyReader,
): (request: Request, server: ServerBindings) => unknown {
  const fields = input ?? noFields;
  if (takes === "data") return (request, server) => body.required(request, server, "invalid_data");
  if (method !== "POST") return (request) => checkQuery(fields, request.url);
  const read = bodyRequired ? body.required : body.optional;
  return async (request, server) => checkBody(fields, await read(request, server, "invalid_request"));
}

/** The route for placing line by line. It is written by hand because request and response are streams. */
function batchRoute({ run }: BoundOperation, workflow: string, { bodyBytesMax, onDone, onError }: RouteOptions): Route {
  const { method, path, role } = batchWire;
  return {
    method,
    path: `/${workflow}${path}`,
    access: role,
    handle(request, { server, who }) {
      checkLinesType(request.headers);
      refuseUnheard(request.headers, false, {
        idempotencyKey: "give each line an idempotencyKey of its own",
        ifMatch: "send the lines without it",
      });
      const requestId = requestIdOf(request.headers);
      const headers = { "Content-Type": linesType };
      if (request.body === null) return new Response("", { headers });
      server.disableTimeout?.();
      const lines = resultLines(request.body, {
        place: run,
        who,
        bytesMax: bodyBytesMax,
        requestId,
        onDone,
        onError: (error) => onError(error, request),
      });
      return new Response(ReadableStream.from(lines), { headers });
    },
  };
}

/** Makes one route for each operation of the scope `server`, which answers for every workflow at once. */
export function allWorkflowsRoutes(bound: readonly BoundWorkflow[], { body }: Pick<RouteOptions, "body">): Route[] {
  const operations = [...(bound[0]?.operations.values() ?? [])].map(({ operation }) => operation);
  return operations
    .filter(({ scope }) => scope === "server")
    .map((operation) => {
      const { name, method, path, role, keyed } = operation;
      const read = inputReader(operation, body);
      const rows = bound.map((each) => rowOf(each, operation));
      return {
        method,
        path,
        access: role,
        async handle(request, { server, who }) {
          const call = callOf(request.headers, who, keyed === true);
          if (method !== "GET") refuseUnheard(request.headers, keyed === true, unheard);
          const input = await read(request, server);
          const results = await Promise.all(rows.map(({ run }) => run(input, call)));
          const refused = results.find(isRefusal);
          if (refused !== undefined) return refusalProblem(refused);
          const parts = rows.map(
            ({ workflow, write }, index) => `{"workflow":"${workflow}","${name}":${write(results[index])}}`,
          );
          return ok(`{"workflows":[${parts.join(",")}]}`);
        },
      };
    });
}

/** One workflow's part of the answer of an operation of the scope `server`. */
function rowOf({ engine, operations }: BoundWorkflow, { name, shown }: Operation) {
  const workflow = engine.workflow.name;
  const run = operations.get(name)?.run ?? (async () => undefined);
  return { workflow, run, write: shown?.writer(workflow) ?? (() => "null") };
}

export function ownRoute(path: OwnPath, handle: Route["handle"]): Route {
  return { method: "GET", path, access: ownRoutes[path], handle };
}

/** The routes that say whether the process runs and whether it takes orders. */
export function healthRoutes(ready: () => boolean | Promise<boolean>): Route[] {
  return [
    ownRoute("/healthz", () => ok('{"status":"ok"}')),
    ownRoute("/readyz", async () => ((await ready()) ? ok('{"status":"ok"}') : ok('{"status":"unavailable"}', 503))),
  ];
}

const linesType = "application/x-ndjson";

function checkLinesType(headers: Headers): void {
  checkEncoding(headers);
  const essence = headers.get("content-type")?.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  if (["", linesType, "application/ndjson", "application/jsonl"].includes(essence)) return;
  throw new CauceError("unsupported_media_type", `a batch is lines of JSON; send it with Content-Type: ${linesType}`);
}

export function ok(text: string, status = 200): Response {
  return new Response(text, { status, headers: json });
}

/** Reads who calls, the request id and the idempotency key. Throws `invalid_request` for a key that does not fit. */
function callOf(headers: Headers, who: Who, keyed: boolean): Call {
  const idempotencyKey = keyed ? headers.get("idempotency-key") : null;
  const requestId = requestIdOf(headers);
  if (idempotencyKey === null) return { who, requestId };
  if (!idempotencyKeyPattern.test(idempotencyKey)) {
    throw new CauceError("invalid_request", "the header Idempotency-Key must be 1 to 255 visible ASCII characters");
  }
  return { who, requestId, idempotencyKey };
}

/** The caller's request id. An id that does not fit `requestIdPattern` is ignored. */
export function requestIdOf(headers: Headers): string | null {
  const requestId = headers.get("x-request-id");
  return requestId !== null && requestIdPattern.test(requestId) ? requestId : null;
}

/** Refuses `/events`, `/stats` and `/metrics`: a Lambda function sees one request at a time and keeps no history. */
export function noTelemetryRoutes(): Route[] {
  return (["/events", "/stats", "/metrics"] as const).map((path) => {
    const detail = `${path} is not available on Lambda; look at the stack's CloudWatch metrics and logs`;
    return ownRoute(path, () => problem("not_available_here", detail));
  });
}
