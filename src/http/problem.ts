import { STATUS_CODES } from "node:http";
import { boundFaults, cutText, detailCharactersMax } from "../core/boundFaults.ts";
import { CauceError, type ErrorCode, errorCodes, type Fault } from "../core/errors.ts";
import { utf8BytesOf } from "../core/json.ts";
import type { Refusal } from "../engine/engine.ts";

/** The HTTP status of each code that a client can meet. A code that is missing here stays in the process: in a log, or in an order's history. */
export const httpStatusOf = {
  invalid_json: 400,
  invalid_data: 422,
  invalid_request: 400,
  invalid_cursor: 400,
  body_too_large: 413,
  request_timed_out: 408,
  headers_too_large: 431,
  unsupported_media_type: 415,
  idempotency_conflict: 409,
  unauthorized: 401,
  forbidden: 403,
  route_not_found: 404,
  method_not_allowed: 405,
  workflow_not_found: 404,
  order_not_found: 404,
  status_not_found: 404,
  status_not_handled: 409,
  overloaded: 503,
  too_many_readers: 503,
  not_available_here: 501,
  transition_not_allowed: 409,
  being_handled: 409,
  stale: 409,
  order_not_final: 409,
  order_unreadable: 409,
  not_failed: 409,
  invalid_results: 422,
  limit_exceeded: 422,
  store_full: 503,
  store_unavailable: 503,
  store_unreadable: 503,
  store_corrupt: 503,
  store_denied: 503,
  store_missing: 503,
  closed: 503,
  internal_error: 500,
} as const satisfies Partial<Record<ErrorCode, number>>;

/** The codes that a client can meet. */
export type HttpErrorCode = keyof typeof httpStatusOf;

export function isHttpErrorCode(code: ErrorCode): code is HttpErrorCode {
  return Object.hasOwn(httpStatusOf, code);
}

// After how many seconds a client should come back. A busy store recovers at once, and a person must empty a full disk.
// Another server replaces one that closes. A place for a reader becomes free when a person closes a page.
const retryAfterSeconds: Partial<Record<HttpErrorCode, number>> = {
  store_unavailable: 1,
  store_full: 30,
  store_unreadable: 30,
  store_denied: 30,
  store_missing: 30,
  store_corrupt: 30,
  closed: 5,
  too_many_readers: 10,
  overloaded: 2,
};

interface ProblemOptions {
  /** The path and message of each fault. */
  readonly errors?: readonly Fault[] | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

// The largest answer to a refused request, and the largest line of a batch's answer.
const problemBytesMax = 65_536;
const lineBytesMax = 4_096;

/** The fields of a problem. `type` is about:blank, so `title` is the status's phrase. Programs branch on `code`. */
export function problemBody(code: HttpErrorCode, detail: string, errors?: readonly Fault[]) {
  const status = httpStatusOf[code];
  const fields = { type: "about:blank", title: STATUS_CODES[status], status, detail: shownDetail(detail), code };
  return { ...fields, ...boundFaults(errors, problemBytesMax - utf8BytesOf(JSON.stringify(fields))) };
}

/** The line of a batch's answer whose order was refused. */
export function refusedLine(line: number, { code, detail, errors }: ProblemFields): string {
  const problem = { code, detail: shownDetail(detail) };
  const answer = { line, status: httpStatusOf[code], problem };
  const shown = boundFaults(errors, lineBytesMax - utf8BytesOf(JSON.stringify(answer)) - 1);
  return `${JSON.stringify({ ...answer, problem: { ...problem, ...shown } })}\n`;
}

function shownDetail(detail: string): string {
  return oneLine(cutText(detail, detailCharactersMax));
}

/** Replaces line ends and other control characters by spaces: a detail may quote what the client sent. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]+/gu, " ");
}

/** Makes the response of an error, as `application/problem+json` (RFC 9457). */
export function problem(code: HttpErrorCode, detail: string, { errors, headers }: ProblemOptions = {}): Response {
  const status = httpStatusOf[code];
  const seconds = retryAfterSeconds[code];
  return new Response(JSON.stringify(problemBody(code, detail, errors)), {
    status,
    headers: {
      "Content-Type": "application/problem+json",
      ...(seconds === undefined ? undefined : { "Retry-After": String(seconds) }),
      ...headers,
    },
  });
}

/** Makes the response of an engine's expected "no". */
export function refusalProblem(refusal: Refusal): Response {
  const { code, detail, errors } = refusalFields(refusal);
  return problem(code, detail, { errors });
}

/** Makes the response of anything that was thrown. */
export function errorProblem(error: unknown): { readonly code: HttpErrorCode; readonly response: Response } {
  const { code, detail, errors } = errorFields(error);
  return { code, response: problem(code, detail, { errors }) };
}

export interface ProblemFields {
  readonly code: HttpErrorCode;
  readonly detail: string;
  readonly errors?: readonly Fault[] | undefined;
}

/** The fields of a refusal. Throws a refusal whose code has no HTTP status. */
export function refusalFields({ refused, message, faults }: Refusal): ProblemFields {
  if (!isHttpErrorCode(refused)) throw new CauceError(refused, message);
  return { code: refused, detail: message, errors: faults };
}

/** The fields of an error. An error of the server is described by its code alone, since its message may name paths. */
export function errorFields(error: unknown): ProblemFields {
  if (!(error instanceof CauceError) || !isHttpErrorCode(error.code)) {
    return { code: "internal_error", detail: errorCodes.internal_error };
  }
  const { code, message, faults } = error;
  return httpStatusOf[code] < 500 ? { code, detail: message, errors: faults } : { code, detail: errorCodes[code] };
}
