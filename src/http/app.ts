import type { Context } from "hono";
import { HonoBase } from "hono/hono-base";
import type { Result, Router } from "hono/router";
import { TrieRouter } from "hono/router/trie-router";
import type { BoundWorkflow } from "../api/around.ts";
import { checkQuery, noFields } from "../api/fields.ts";
import { batchWire, type Wire } from "../api/orders.ts";
import { reservedNames } from "../core/defineWorkflow.ts";
import { CauceError, type ErrorCode } from "../core/errors.ts";
import type { Log } from "../core/handlers.ts";
import { messageOf } from "../core/reasons.ts";
import { stackTraceOf } from "../engine/log.ts";
import { type Auth, createGuard, type Guard, open } from "./auth.ts";
import { bodyBytesMaxDefault, createBodyReader, type ServerBindings } from "./body.ts";
import { referenceRoutes } from "./openapi/routes.ts";
import { errorFields, errorProblem, httpStatusOf, problem } from "./problem.ts";
import { allWorkflowsRoutes, healthRoutes, type Route, requestIdOf, workflowRoutes } from "./routes.ts";

export interface HttpAppOptions {
  /** One for each workflow; its name is the first segment of the paths. */
  readonly bound: readonly BoundWorkflow[];
  /** The API keys and their roles. Undefined: every request may do everything. */
  readonly auth: Auth | undefined;
  /** The path under which the app is mounted, such as `/api`. Default: empty. */
  readonly basePath?: string | undefined;
  /** The largest body, in bytes. Default 262,144. */
  readonly bodyBytesMax?: number | undefined;
  readonly log: Log;
  /** The routes `/events`, `/stats` and `/metrics`: `telemetryRoutes`, or `noTelemetryRoutes` in a Lambda function. */
  readonly telemetry: readonly Route[];
  /** Whether the process is ready. `/readyz` says yes if the stores take writes, too. */
  readonly ready: () => boolean;
}

interface HttpEnv {
  readonly Bindings: ServerBindings;
}

/** The HTTP API of some workflows. Throws `app_invalid` or `keys_invalid`. */
export function createApp({
  bound,
  auth,
  basePath = "",
  bodyBytesMax = bodyBytesMaxDefault,
  log,
  telemetry,
  ready,
}: HttpAppOptions): HonoBase<HttpEnv> {
  const names = bound.map(({ engine }) => engine.workflow.name);
  refuseTwins(names);
  const app = new HonoBase<HttpEnv>({ router: fixedFirstRouter() });
  const guard = auth === undefined ? () => open : createGuard(auth);
  const storeFaults = createStoreFaultLog(log);
  const report = (error: unknown, { method, url, headers }: Request): void => {
    const { code } = errorFields(error);
    const fields = {
      code,
      requestId: requestIdOf(headers),
      method,
      path: new URL(url).pathname,
      error: messageOf(error),
    };
    if (code === "internal_error")
      log.error({ ...fields, stack: stackTraceOf(error) }, "a request failed unexpectedly");
    else if (httpStatusOf[code] === 503) storeFaults.failed(code, fields);
  };
  const storesTakeWrites = async (how: { readonly probes: boolean }): Promise<boolean> => {
    const takes = (await Promise.all(bound.map(({ engine }) => engine.takesWrites(how)))).every(Boolean);
    if (takes) storeFaults.recovered();
    return takes;
  };
  const takesOrders = async (): Promise<boolean> => ready() && (await storesTakeWrites({ probes: true }));
  const options = {
    basePath,
    body: createBodyReader(bodyBytesMax),
    bodyBytesMax,
    // A request can succeed on a full disk without a write: a repeat, or a retry that finds nothing. So ask the stores.
    onDone: () => {
      // Ask without a probe write: a Lambda call ends with its answer, and would cut the write off.
      if (storeFaults.isReported()) void storesTakeWrites({ probes: false });
    },
    onError: report,
  };

  const ofServer = [
    ...allWorkflowsRoutes(bound, options),
    ...healthRoutes(takesOrders),
    ...telemetry,
    ...referenceRoutes({ bound, basePath, secured: auth !== undefined }),
  ];
  const keyless = new Set(ofServer.filter(({ access }) => access === undefined).map(({ path }) => path));
  for (const route of ofServer) addRoute(app, basePath, route, guard);
  for (const each of bound) {
    for (const route of workflowRoutes(each, options)) addRoute(app, basePath, route, guard);
  }
  const missingWorkflow = createMissingWorkflow(bound);

  app.notFound((context) => {
    const { path } = context.req;
    const allowed = allowedMethods(app, path);
    const local = path.startsWith(`${basePath}/`) ? path.slice(basePath.length) : "";
    if (!keyless.has(local)) {
      const who = guard(context.req.raw, "any");
      if (who instanceof Response) return who;
    }
    if (allowed !== "") {
      return problem("method_not_allowed", `${context.req.method} is not for this route; it takes ${allowed}`, {
        headers: { Allow: allowed },
      });
    }
    const name = missingWorkflow(local);
    return name === undefined
      ? problem("route_not_found", `there is no such route; ${basePath}/docs has them all`)
      : problem("workflow_not_found", `no workflow "${name}" is served here; check the first segment of the path`);
  });

  app.onError((error, context) => {
    report(error, context.req.raw);
    return errorProblem(error).response;
  });

  return app;
}

const noBindings: ServerBindings = {};

function addRoute(
  app: HonoBase<HttpEnv>,
  basePath: string,
  { method, path, access, handle }: Route,
  guard: Guard,
): void {
  const parameter = /:(\w+)/.exec(path)?.[1];
  app.on(method, basePath + path, (context: Context<HttpEnv>) => {
    const request = context.req.raw;
    const who = guard(request, access);
    if (who instanceof Response) return who;
    // A query parameter of a POST would do nothing, so refuse it. GET and DELETE check their own query.
    if (method === "POST" && request.url.includes("?")) checkQuery(noFields, request.url);
    const value = parameter === undefined ? "" : (context.req.param(parameter) ?? "");
    return handle(request, { parameter: value, server: context.env ?? noBindings, who });
  });
}

/** Lists the methods of a path for the `Allow` header. Empty: no route has this path. */
function allowedMethods(app: HonoBase<HttpEnv>, path: string): string {
  const takes = (method: string) => app.router.match(method, path)[0].length > 0;
  return [takes("GET") ? "GET, HEAD" : "", ...["POST", "DELETE"].filter(takes)].filter(Boolean).join(", ");
}

/** Finds the workflow's name in a path that looks like a workflow's route, if the server does not serve that workflow. */
function createMissingWorkflow(bound: readonly BoundWorkflow[]): (path: string) => string | undefined {
  const declared = bound.flatMap(({ operations }) => [...operations.values()].map(({ operation }) => operation));
  const all: Pick<Wire, "path" | "scope">[] = [...declared, batchWire];
  const paths = all.filter(({ scope }) => scope === undefined).map(({ path }) => path.replace(/\{\w+\}/g, "[^/]+"));
  const shape = new RegExp(`^/([a-z][A-Za-z0-9]{0,39})(?:${[...new Set(paths)].join("|")})$`);
  const names = new Set(bound.map(({ engine }) => engine.workflow.name));
  return (path) => {
    const name = shape.exec(path)?.[1];
    return name === undefined || reservedNames.has(name) || names.has(name) ? undefined : name;
  };
}

/** Logs a store's fault when it begins and when it ends: a full disk refuses up to 20,000 requests a second. */
function createStoreFaultLog(log: Log) {
  let reported: ErrorCode | undefined;
  return {
    isReported: () => reported !== undefined,
    failed(code: ErrorCode, fields: Record<string, unknown>): void {
      if (code === "closed" || code === reported) return;
      reported = code;
      log.error(fields, "the store does not take requests");
    },
    recovered(): void {
      if (reported === undefined) return;
      reported = undefined;
      log.info({}, "the store takes orders again");
    },
  };
}

function refuseTwins(names: readonly string[]): void {
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) {
    throw new CauceError("app_invalid", `two apps serve the workflow "${twice}"; give each workflow a name of its own`);
  }
}

/**
 * A router that looks a fixed path up before it tries patterns. Hono's fast router cannot hold `/orders/failures` beside
 * `/orders/:id`; hono would send every request to its slow router. A fixed path has one handler, so the app can have no
 * middleware. A fixed path matches no pattern, whatever the method: `retry` is no order's id.
 */
function fixedFirstRouter<T>(): Router<T> {
  const fixed = new Map<string, Map<string, Result<T>>>();
  const paths = new Set<string>();
  const patterns = new TrieRouter<T>();
  return {
    name: "FixedFirstRouter",
    add(method, path, handler) {
      if (/[:*{?]/.test(path)) {
        patterns.add(method, path, handler);
        return;
      }
      paths.add(path);
      const ofMethod = fixed.get(method) ?? new Map<string, Result<T>>();
      fixed.set(method, ofMethod.set(path, [[[handler, {}]]]));
    },
    match(method, path) {
      return fixed.get(method)?.get(path) ?? (paths.has(path) ? [[]] : patterns.match(method, path));
    },
  };
}
