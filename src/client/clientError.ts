import { CauceError, type ErrorCode, type Fault } from "../core/errors.ts";
import { markErrors } from "../core/marks.ts";

/** The error of a client's call that did not succeed. Programs branch on `code`. */
export class ClientError extends CauceError {
  static {
    markErrors(ClientError, "ClientError");
  }

  /** The HTTP status of the response. Undefined: no response came. */
  readonly status: number | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    options: { status?: number | undefined; faults?: readonly Fault[]; cause?: unknown } = {},
  ) {
    super(code, message, options);
    this.status = options.status;
  }
}

/** Makes the error of a response: its problem document's, or `unreachable` or `unexpected_answer` where it is not Cauce's. */
export function responseError(url: string, response: { readonly status: number; readonly text: string }): ClientError {
  const { status } = response;
  const problem = objectOf(response.text);
  if (typeof problem.code === "string") {
    const faults = Array.isArray(problem.errors) ? { faults: problem.errors as Fault[] } : {};
    // A newer server may send codes that this client does not know. They are passed on unchanged.
    return new ClientError(problem.code as ErrorCode, String(problem.detail ?? problem.title), { status, ...faults });
  }
  return isPassing(status)
    ? new ClientError("unreachable", `${url} answered ${status}: what stands before the server cannot reach it now`, {
        status,
      })
    : new ClientError("unexpected_answer", `${url} answered ${status} and not as Cauce does; check the URL`, {
        status,
      });
}

/** Whether another try may get another status. */
export function isPassing(status: number): boolean {
  return status === 429 || status === 502 || status === 503 || status === 504;
}

function objectOf(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
