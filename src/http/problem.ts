import { STATUS_CODES } from "node:http";
import { CauceError, type ErrorCode, errorCodes, type Fault } from "../core/errors.ts";
import type { Refusal } from "../engine/engine.ts";

/** The HTTP status of every code; null for those that never leave the process as an answer of their own. */
export const httpStatusOf = {
  workflow_invalid: null,
  app_invalid: null,
  schema_unsupported: null,
  invalid_json: 400,
  invalid_data: 422,
  invalid_request: 400,
  invalid_cursor: 400,
  body_too_large: 413,
  unsupported_media_type: 415,
  idempotency_conflict: 409,
  unauthorized: 401,
  forbidden: 403,
  route_not_found: 404,
  method_not_allowed: 405,
  workflow_not_found: 404,
  order_not_found: 404,
  transition_not_allowed: 409,
  being_handled: 409,
  stale: 409,
  not_failed: 409,
  invalid_results: 422,
  invalid_transition: null,
  handler_failed: null,
  attempt_timed_out: null,
  worker_lost: null,
  unknown_status: null,
  visits_exceeded: null,
  limit_exceeded: 422,
  store_full: 503,
  store_unavailable: 503,
  store_unreadable: 503,
  store_corrupt: 503,
  store_too_new: null,
  store_mismatch: null,
  data_in_use: null,
  orders_stranded: null,
  closed: 503,
  node_too_old: null,
  app_not_loadable: null,
  setting_invalid: null,
  directory_not_empty: null,
  directory_unusable: null,
  keys_required: null,
  keys_invalid: null,
  port_in_use: null,
  address_unavailable: null,
  internal_error: 500,
} as const satisfies Record<ErrorCode, number | null>;

/** The codes that a client can meet. */
export type HttpErrorCode = {
  [Code in ErrorCode]: (typeof httpStatusOf)[Code] extends null ? never : Code;
}[ErrorCode];

export function isHttpErrorCode(code: ErrorCode): code is HttpErrorCode {
  return httpStatusOf[code] !== null;
}

// How long a client should stay away, in seconds: a busy store recovers at once, a disk is emptied by a person, and a
// server that closes is replaced.
const retryAfterSeconds: Partial<Record<HttpErrorCode, number>> = {
  store_unavailable: 1,
  store_full: 30,
  store_unreadable: 30,
  store_corrupt: 30,
  closed: 5,
};

export interface ProblemOptions {
  /** The path and message of each fault. */
  readonly errors?: readonly Fault[] | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** An error as `application/problem+json` (RFC 9457). `type` is about:blank, so `title` is the status's phrase and `code` is what programs branch on. */
export function problem(code: HttpErrorCode, detail: string, { errors, headers }: ProblemOptions = {}): Response {
  const status = httpStatusOf[code];
  const seconds = retryAfterSeconds[code];
  return new Response(
    JSON.stringify({ type: "about:blank", title: STATUS_CODES[status], status, detail, code, errors }),
    {
      status,
      headers: {
        "Content-Type": "application/problem+json",
        ...(seconds === undefined ? undefined : { "Retry-After": String(seconds) }),
        ...headers,
      },
    },
  );
}

/** An engine's expected "no". */
export function refusalProblem(refusal: Refusal): Response {
  if (!isHttpErrorCode(refusal.refused)) throw new CauceError(refusal.refused, refusal.message);
  return problem(refusal.refused, refusal.message, { errors: refusal.faults });
}

/** Whatever was thrown. What is the server's fault is described by its code alone: its message may name paths. */
export function errorProblem(error: unknown): { readonly code: HttpErrorCode; readonly response: Response } {
  if (!(error instanceof CauceError) || !isHttpErrorCode(error.code)) {
    return { code: "internal_error", response: problem("internal_error", errorCodes.internal_error) };
  }
  const { code } = error;
  const response =
    httpStatusOf[code] < 500 ? problem(code, error.message, { errors: error.faults }) : problem(code, errorCodes[code]);
  return { code, response };
}
