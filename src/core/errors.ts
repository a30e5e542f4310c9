import type { Random } from "./clock.ts";

/** When a failed attempt is tried again: exponential backoff with full jitter. */
export interface RetryPolicy {
  /** How many times the handler may run within one visit, the first included. Default 5. */
  readonly attempts?: number;
  /** The longest delay before the second attempt, in seconds. It doubles with each further attempt. Default 1. */
  readonly baseSeconds?: number;
  /** No delay is longer than this many seconds. Default 300. */
  readonly maxSeconds?: number;
}

/** The longest delay or expiry of a definition, in seconds: 100 years, so that every date has a year of four digits. */
export const delaySecondsMax = 3_155_760_000;

export const defaultRetry = { attempts: 5, baseSeconds: 1, maxSeconds: 300 } as const satisfies Required<RetryPolicy>;

/**
 * Draws the seconds until the next attempt after `attempts` failed ones: between 0 and
 * `min(maxSeconds, baseSeconds × 2^(attempts − 1))`. Full jitter spreads orders that failed together
 * (AWS Architecture Blog, "Exponential Backoff And Jitter").
 */
export function retryDelaySeconds(policy: Required<RetryPolicy>, attempts: number, random: Random): number {
  return random() * Math.min(policy.maxSeconds, policy.baseSeconds * 2 ** (attempts - 1));
}

/**
 * Every code that Cauce reports, with what it means. A code is stable: programs may branch on it.
 * The pages, the problem documents and the command line all take their codes from here.
 */
export const errorCodes = {
  // The definition
  workflow_invalid: "The workflow definition cannot work; the message names the status and the fix.",
  app_invalid: "The handlers do not fit the workflow; the message names the status and the fix.",
  schema_unsupported: "The schema has no JSON Schema (dates, transforms and the like), so it cannot be served.",
  // A request
  invalid_json: "The body is not JSON.",
  invalid_data: "The data does not fit the workflow's schema.",
  invalid_request: "A parameter, header or body field is not what the route takes.",
  invalid_cursor: "The cursor is not one that a list returned.",
  body_too_large: "The body is larger than the server takes.",
  request_timed_out: "The body did not come within the time that the server allows.",
  headers_too_large: "The path and headers are larger than the server takes.",
  unsupported_media_type:
    "The body's type is none that the route takes, such as application/json, or it is compressed.",
  idempotency_conflict: "The idempotency key was used before with other content.",
  unauthorized: "No valid API key was sent.",
  forbidden: "The API key's role does not allow this.",
  route_not_found: "There is no such route.",
  method_not_allowed: "The route does not take this method.",
  workflow_not_found: "No workflow of that name is served here.",
  order_not_found: "No order has that id.",
  status_not_found: "The workflow has no such status.",
  status_not_handled: "The status has no handler, so there is nothing to pause.",
  overloaded: "More orders come in than this process can process; nothing was stored.",
  too_many_readers: "As many readers of events are connected as the server has room for.",
  not_available_here: "The platform that serves this cannot answer the route.",
  // A change of an order
  transition_not_allowed: "The order may not move to that status from where it stands.",
  being_handled: "The order is in a handled status and its handler will move it.",
  stale: "The order changed in the meantime; read it again.",
  order_not_final: "Only orders in a final status are removed.",
  not_failed: "Only failed orders can be retried.",
  invalid_results: "The results do not fit the workflow's results schema.",
  invalid_transition: "A handler returned a status that its status does not list in `to`.",
  // An attempt
  handler_failed: "The handler threw.",
  attempt_timed_out: "The handler did not end within `timeoutSeconds`.",
  worker_lost: "The process that ran the handler ended before the handler did.",
  unknown_status: "The order stands in a status that the definition does not know.",
  visits_exceeded: "The order made more transitions than `visitsMax` allows.",
  // The store
  limit_exceeded: "The backend cannot hold what was asked of it; the message names the limit.",
  store_full: "The disk that holds the data is full.",
  store_unavailable: "The store did not take the write; nothing was acknowledged.",
  store_unreadable: "The data directory or its file cannot be opened or written.",
  store_corrupt: "The database file is damaged or is no database.",
  store_too_new: "The database was written by a newer version of Cauce.",
  store_mismatch: "The database belongs to another workflow.",
  store_denied: "The store's service does not allow it: credentials or permissions are missing.",
  store_missing: "A table, topic or queue of the store is not there.",
  data_in_use: "Another process owns the data directory.",
  orders_stranded: "The definition no longer knows statuses in which orders stand.",
  closed: "Cauce is closing and takes nothing more.",
  // Starting
  resources_failed: "The app's `resources` threw; the message names the workflow and says why.",
  node_too_old: "The Node.js that runs is older than Cauce needs.",
  app_not_loadable: "The module of the app cannot be loaded or exports no app.",
  setting_invalid: "A flag or variable is unknown, or lacks a value that it takes.",
  directory_not_empty: "The directory that a workflow is to be written into holds files.",
  directory_unusable: "The directory that a workflow is to be written into cannot be made, read or written.",
  package_not_packed: "Cauce's own package could not be built or packed; the message says why.",
  keys_required: "A server that others can reach needs API keys.",
  keys_invalid: "The API keys cannot be read.",
  template_invalid: "The template does not hold together, or holds what the emulator does not know.",
  port_in_use: "The port is taken.",
  address_unavailable: "The address cannot be bound on this machine.",
  // Deploying
  package_missing: "A package that the command needs is not installed; the message names it.",
  bundle_failed: "A function's code cannot be bundled; the message names the file.",
  stack_invalid: "The template breaks a rule of security or of CloudFormation; the message names it.",
  queue_in_use: "The deployment would delete a queue that still holds messages.",
  deploy_failed: "The CDK's command line could not deploy; what it said stands above.",
  // Calling a server
  unreachable: "The server gave no answer, or what stands before it cannot reach it.",
  unexpected_answer: "The answer is not one of Cauce's; the URL leads to something else.",
  wait_timed_out: "The order did not come to the awaited status in time.",
  order_failed: "The order failed before it came to the awaited status.",
  order_ended: "The order came to a final status other than the awaited one.",
  proof_missing: "A proof that a deployment handles orders is missing; the message names it and says why.",
  // The user's tests
  not_at_rest: "A test waits for a handler that does not end, and no time passes that would end it.",
  // An import
  import_refused: "Some lines of the import were refused; a file has each with its problem.",
  import_unreadable: "The file to import, its progress or its refused lines cannot be read or written.",
  import_mismatch: "The file or its import is not the one of which the progress tells.",
  interrupted: "The command was told to stop before it was done.",
  internal_error: "Something unexpected happened; the log says what.",
} as const;

export type ErrorCode = keyof typeof errorCodes;

/** An error or a refusal, with a stable `code`. Its message is one line: what is wrong, where; what to do. */
export class CauceError extends Error {
  readonly code: ErrorCode;
  /** The path and message of each fault, for `invalid_data` and `invalid_results`. */
  readonly faults: readonly Fault[] | undefined;

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; faults?: readonly Fault[] } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "CauceError";
    this.code = code;
    this.faults = options.faults;
  }
}

/** One fault in data: where it is (`items.0.sku`; empty for the whole) and what is wrong there. */
export interface Fault {
  readonly path: string;
  readonly message: string;
}

/** Thrown by a handler: trying again cannot help. The order's attempts count as used up at once. */
export class PermanentError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "PermanentError";
  }
}

/**
 * Thrown by a handler: try again after exactly `delaySeconds` (0 or more) instead of the policy's delay. The attempt
 * still counts.
 */
export class RetryError extends Error {
  readonly delaySeconds: number;

  constructor(options: { delaySeconds: number; message?: string; cause?: unknown }) {
    const { delaySeconds, message, cause } = options;
    super(message ?? `asked to be tried again after ${delaySeconds} s`, cause === undefined ? undefined : { cause });
    if (!(delaySeconds >= 0 && delaySeconds <= delaySecondsMax)) {
      throw new RangeError(`RetryError: delaySeconds must be from 0 to ${delaySecondsMax}, and is ${delaySeconds}`);
    }
    this.name = "RetryError";
    this.delaySeconds = delaySeconds;
  }
}
