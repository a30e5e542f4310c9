import { CauceError, type ErrorCode, type Fault } from "../core/errors.ts";

/** What a client's call ends with when it does not succeed: `code` is what programs branch on. */
export class ClientError extends CauceError {
  /** The HTTP status of the answer; undefined when there was none. */
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

/** The error in an answer: its problem document, or what can be said of an answer that Cauce did not give. */
export function answerError(url: string, answer: { readonly status: number; readonly text: string }): ClientError {
  const { status } = answer;
  const problem = objectOf(answer.text);
  if (typeof problem.code === "string") {
    const faults = Array.isArray(problem.errors) ? { faults: problem.errors as Fault[] } : {};
    // A newer server may have codes that this client does not know; they are handed on as they are.
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

/** The statuses of answers that trying again may change. */
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
