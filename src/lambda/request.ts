import { requestBytesMax } from "../backend/aws/quotas.ts";
import { type Cauce, openCauce } from "../cauce.ts";
import type { App } from "../core/handlers.ts";
import { textOf } from "../core/reasons.ts";
import { errorFields, errorProblem, httpStatusOf, problem } from "../http/problem.ts";
import { backendOnAws } from "../node/awsResources.ts";
import { functionName } from "../node/readSettings.ts";
import type { FunctionMetrics } from "./metrics.ts";
import { lambdaAuth, openOnce, startFunction } from "./open.ts";

/** What an HTTP API hands to a function (payload format 2.0). */
export interface HttpEvent {
  readonly rawPath: string;
  readonly rawQueryString: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body?: string | undefined;
  readonly isBase64Encoded: boolean;
  readonly requestContext: {
    readonly domainName: string;
    readonly requestId: string;
    readonly http: { readonly method: string };
  };
}

export interface HttpAnswer {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly isBase64Encoded: boolean;
}

/** Makes the handler of the request function: the HTTP API over the backend on AWS. */
export function requestHandler(apps: App | readonly App[]): (event: HttpEvent) => Promise<HttpAnswer> {
  const { settings, log, metrics } = startFunction();
  const auth = lambdaAuth(settings);
  const backend = backendOnAws(apps, settings, log);
  const workflows = ([apps].flat() as readonly App[]).map(({ workflow }) => workflow.name);
  const open = openOnce(() =>
    openCauce({
      apps,
      backend,
      delivery: settings.delivery,
      auth,
      log,
      actor: { runtime: "lambda", name: functionName() },
    }),
  );
  const respond = async (event: HttpEvent): Promise<Response> => {
    let cauce: Cauce;
    try {
      cauce = await open();
    } catch (error) {
      // A store that cannot be reached is no fault of the function: the client is told to call again.
      if (httpStatusOf[errorFields(error).code] !== 503) throw error;
      log.error({ error: textOf(error) }, "the store is not open; the next request tries again");
      return errorProblem(error).response;
    }
    const request = requestOf(event);
    const bytes = Number(request.headers.get("content-length"));
    if (bytes <= requestBytesMax) return cauce.fetch(request);
    return problem(
      "body_too_large",
      `the body is ${bytes} bytes, and a function takes at most ${requestBytesMax}; send less at once`,
    );
  };
  return async (event) => {
    const answer = await answerOf(await respond(event));
    countPlacings(metrics, workflows, event, answer);
    metrics.write();
    return answer;
  };
}

/** Counts the orders that a request asked to place, by the answer: its status, or for a batch the status of each line. */
function countPlacings(
  metrics: FunctionMetrics,
  workflows: readonly string[],
  { rawPath, requestContext }: HttpEvent,
  { statusCode, body }: HttpAnswer,
): void {
  const [, workflow = "", batch] = /^\/(\w+)(\/batch)?$/.exec(rawPath) ?? [];
  if (requestContext.http.method !== "POST" || !workflows.includes(workflow)) return;
  const statuses =
    batch === undefined || statusCode !== 200
      ? [statusCode]
      : [...body.matchAll(/^\{"line":\d+,"status":(\d{3})/gm)].map(([, status]) => Number(status));
  const count = (min: number, max: number) => statuses.filter((each) => each >= min && each <= max).length;
  metrics.add("OrdersPlaced", count(202, 202), { workflow });
  metrics.add("OrdersRepeated", count(200, 200), { workflow });
  metrics.add("OrdersRefused", count(400, 499), { workflow });
}

/** Makes a standard request of the event. Without a request id of the client it has the one of API Gateway. */
function requestOf(event: HttpEvent): Request {
  const { rawPath, rawQueryString, body, isBase64Encoded, requestContext } = event;
  const { method } = requestContext.http;
  const headers = new Headers();
  for (const [name, value] of Object.entries(event.headers)) if (value !== undefined) headers.set(name, value);
  if (!headers.has("x-request-id")) headers.set("x-request-id", requestContext.requestId);
  const query = rawQueryString === "" ? "" : `?${rawQueryString}`;
  const bytes =
    body === undefined || method === "GET" || method === "HEAD"
      ? null
      : Buffer.from(body, isBase64Encoded ? "base64" : "utf8");
  if (bytes !== null) headers.set("content-length", String(bytes.byteLength));
  return new Request(`https://${requestContext.domainName}${rawPath}${query}`, { method, headers, body: bytes });
}

async function answerOf(response: Response): Promise<HttpAnswer> {
  return {
    statusCode: response.status,
    headers: Object.fromEntries(response.headers),
    body: await response.text(),
    isBase64Encoded: false,
  };
}
